import Glibc
import Testing

@testable import AgentCore

@Suite("Parts of a process's and a machine's configuration")
struct ConfigurationPartsTests {
    @Test("a later pair replaces an earlier one in its place")
    func override() {
        let environment = ProcessEnvironment(["A=1", "B=2"], ["A=3", "C==x"])
        #expect(environment.pairs == ["A=3", "B=2", "C==x"])
        #expect(environment["C"] == "=x")
    }

    @Test("what is not a pair is left out")
    func notPairs() {
        #expect(ProcessEnvironment(["A", "=b", "", "C="]).pairs == ["C="])
    }

    @Test("a default gives way to any value, also an empty one")
    func defaults() {
        var environment = ProcessEnvironment(["HOME="])
        environment.setDefault("HOME", "/root")
        environment.setDefault("TERM", "xterm")
        #expect(environment.pairs == ["HOME=", "TERM=xterm"])
    }

    @Test("options that all file systems have become flags, the rest goes to the file system")
    func mountOptions() {
        let mount = FileSystemMount(
            type: "tmpfs", source: "t", target: "/t", options: "size=1m,nosuid,ro,rw,,noexec,exec,mode=700",
            readOnly: false)
        #expect(mount.flags == UInt(MS_NOSUID))
        #expect(mount.data == "size=1m,mode=700")
    }

    @Test("read-only wins over the options")
    func readOnly() {
        let mount = FileSystemMount(type: "tmpfs", source: "t", target: "/t", options: "rw", readOnly: true)
        #expect(mount.flags == UInt(MS_RDONLY))
    }

    @Test("a status word of wait(2) is told as code or signal")
    func statusWord() {
        #expect(Reaper.cause(of: 0x0300) == .code(3))
        #expect(Reaper.cause(of: 0x0009) == .signal(9))
        #expect(Reaper.cause(of: 0x008B) == .signal(11))
    }
}
