import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("In the engine's jail") struct WallTests {
    @Test(
        "files can be neither read nor listed but those of the engine",
        arguments: [
            "/etc/shadow", "/etc/passwd", "/proc/1/environ", "/proc/self/status", "/sys/kernel/notes", #filePath,
        ])
    func read(path: String) throws {
        #expect(try Probe.run("read", path).output == "EACCES")
    }

    @Test("directories can not be listed", arguments: ["/", "/root", "/home", "/tmp", "/dev", "/usr/lib"])
    func list(path: String) throws {
        #expect(try Probe.run("list", path).output == "EACCES")
    }

    @Test("nothing can be written, made, removed or given other permissions")
    func write() throws {
        let file = try TestFile()
        #expect(chmod(file.path, 0o666) == 0)
        #expect(try Probe.run("write", file.path).output == "EACCES")
        #expect(try Probe.run("read", file.path).output == "EACCES")
        #expect(try Probe.run("remove", file.path).output == "EPERM")
        #expect(try Probe.run("permit", file.path).output == "EPERM")
        #expect(try Probe.run("create", file.path + ".new").output == "EACCES")
        #expect(try Probe.run("create", "/dev/shm/x").output == "EACCES")
        #expect(try Probe.run("write", "/dev/zero").output == "EACCES")
    }

    @Test("the engine's libraries can be read, and a thread can be made")
    func needed() throws {
        #expect(try Probe.run("read", "/lib/x86_64-linux-gnu/libc.so.6").output == "allowed")
        #expect(try Probe.run("thread").output == "allowed")
        #expect(try Probe.run("tgkill-self").output == "allowed")
    }

    @Test("no socket can be made", arguments: ["unix", "inet", "inet6", "netlink", "packet", "vsock"])
    func socket(family: String) throws {
        #expect(try Probe.run("socket", family).output == "EPERM")
    }

    @Test("no program can be run and no process made")
    func programs() throws {
        #expect(try Probe.run("exec").output == "EPERM")
        #expect(try Probe.run("execveat").output == "ENOSYS")
        #expect(try Probe.run("exec-itself").output == "ENOSYS")
        #expect(try Probe.run("fork").output == "EPERM")
        #expect(try Probe.run("clone-user").output == "EPERM")
        #expect(try Probe.run("clone3").output == "ENOSYS")
    }

    @Test("no other process can be reached")
    func processes() throws {
        let test = "\(getpid())"
        #expect(try Probe.run("kill", test).output == "EPERM")
        #expect(try Probe.run("tgkill", test).output == "EPERM")
        #expect(try Probe.run("signal-owner", test).output == "EINVAL")
        #expect(try Probe.run("outlive").output == "EINVAL")
        #expect(try Probe.run("ptrace", test).exit == .signal(SIGSYS))
        #expect(try Probe.run("read-memory", test).exit == .signal(SIGSYS))
    }

    @Test(
        "what only an attacker calls ends it",
        arguments: [
            "mount", "unshare", "setns", "bpf", "userfaultfd", "perf", "keyctl", "module", "kexec", "setuid", "x32",
            "i386",
        ])
    func deadly(call: String) throws {
        #expect(try Probe.run(call).exit == .signal(SIGSYS))
    }

    @Test("io_uring and files in memory are as if the kernel had none")
    func unknown() throws {
        #expect(try Probe.run("io_uring").output == "ENOSYS")
        #expect(try Probe.run("memfd").output == "ENOSYS")
    }

    @Test("a file cannot grow beyond the limit, and the limit cannot be raised")
    func fileSize() throws {
        let file = try TestFile()
        let open = try Descriptor(opening: file.path, O_RDWR)
        #expect(try Probe.run("write-at", "8191", passing: open).output == "allowed")
        #expect(try Probe.run("write-at", "8192", passing: open).output == "EFBIG")
        #expect(try Probe.run("raise-limit").output == "EPERM")
        #expect(try open.status().st_size == 8192)
    }

    @Test("a passed socket cannot be connected or bound")
    func passedSocket() throws {
        let socket = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        #expect(try Probe.run("connect", "22", passing: socket).output == "EPERM")
        #expect(try Probe.run("bind", passing: socket).output == "EPERM")
    }

    @Test("a crash leaves no core dump")
    func core() throws {
        let exit = try Probe.run("core").exit
        #expect(exit == .signal(SIGABRT) || exit == .signal(SIGSEGV))
        #expect(!FileTree.exists("/core"))
    }

    @Test("seen from outside it has no privileges, no company and only the descriptors it was passed")
    func fromOutside() throws {
        let (host, guest) = try Descriptor.socketPair()
        let probe = try Probe(["wait"], passing: guest)
        #expect(try probe.line() == "ready")
        let seen = try ProcessView(pid: probe.process.pid)

        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] where set != "CapBnd" || geteuid() == 0 {
            #expect(seen.status[set] == "0000000000000000", "\(set)")
        }
        #expect(seen.status["NoNewPrivs"] == "1")
        #expect(seen.status["Seccomp"] == "2")
        #expect(seen.descriptors.keys.sorted() == [0, 1, 2, 3])
        #expect(seen.descriptors[0] == "/dev/null")
        #expect(seen.environment.isEmpty)
        #expect(seen.workingDirectory == "/")
        #expect(seen.limits["Max core file size"] == ["1", "1"])
        #expect(seen.limits["Max file size"] == ["8192", "8192"])
        #expect(seen.limits["Max locked memory"] == ["0", "0"])
        #expect(seen.limits["Max open files"] == ["196", "196"])
        #expect(seen.session == probe.process.pid)
        #expect(seen.terminal == 0)
        if geteuid() == 0 {
            let user = "\(Walls.firstUser + 7)"
            #expect(seen.status["Uid"]?.split(separator: "\t").allSatisfy { $0 == user } == true)
            #expect(seen.status["Gid"]?.split(separator: "\t").allSatisfy { $0 == user } == true)
            #expect(seen.status["Groups"]?.trimmingSpaces == "")
        }
        if probe.walls.standing.contains(.network) {
            #expect(seen.networkInterfaces == ["lo"])
            for namespace in ["net", "pid", "ipc"] { #expect(try seen.isAlone(in: namespace), "\(namespace)") }
        }
        try host.write([1])
        #expect(try probe.process.reap() == .code(0))
    }

    @Test("the walls stand that this host can offer")
    func walls() throws {
        let walls = try Probe(["nothing"]).finish().walls
        #expect(walls.standing.contains(.systemCalls))
        #expect(walls.standing.contains(.files) == (Landlock.kernelABI != nil))
        if geteuid() == 0 { #expect(walls.gaps.isEmpty, "\(walls.gaps)") }
    }
}
