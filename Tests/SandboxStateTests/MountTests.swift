import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("Mounts") struct MountTests {
    @Test("what follows -v is a path of the host or the name of a volume, a target and how it is used")
    func volumeText() throws {
        let host = try SandboxMount.parse(volume: "/tmp:/w//x/./y/:ro")
        #expect(host.type == .host && host.source == "/tmp" && host.target == "/w/x/y" && host.readOnly)
        let relative = try SandboxMount.parse(volume: ".:/w")
        #expect(relative.source == realpath(".", nil).map { String(cString: $0) } && !relative.readOnly)
        let volume = try SandboxMount.parse(volume: "my_data-1.2:/w:rw")
        #expect(volume.type == .volume && volume.source == "my_data-1.2" && volume.isServed && !volume.readOnly)
        for text in [
            "", "/tmp", ":/w", "/tmp:", "/tmp:w", "/tmp:/", "/tmp:/..", "/tmp:/w:x", "/tmp:/w:ro:ro", "/tmp:/dev/shm",
            "/tmp:/proc", "/tmp:/sys/x", "_x:/w", "a b:/w", "/none/there:/w", "/dev/null:/w",
            "\(String(repeating: "a", count: 64)):/w", "/tmp:/\(String(repeating: "a", count: 5000))",
        ] {
            #expect(throws: StateError.self, "\(text)") { try SandboxMount.parse(volume: text) }
        }
        #expect(try SandboxMount.parse(volume: "/tmp:/developers").target == "/developers")
    }

    @Test("what follows --tmpfs is a target, and perhaps a size and a mode")
    func memoryText() throws {
        let plain = try SandboxMount.parse(memory: "/t")
        #expect(
            plain.type == .memory && plain.source == nil && plain.size == nil && plain.mode == 0o1777 && !plain.isServed
        )
        #expect(try SandboxMount.parse(memory: "/t:64m").size == 64 << 20)
        let full = try SandboxMount.parse(memory: "/t:rw,size=1g,mode=0700")
        #expect(full.size == 1 << 30 && full.mode == 0o700)
        for text in [
            "", "t", "/", "/t:size=", "/t:x", "/t:mode=9", "/t:mode=77777", "/t:1", "/t:size=64m,loud=1", "/proc",
        ] {
            #expect(throws: StateError.self, "\(text)") { try SandboxMount.parse(memory: text) }
        }
    }

    @Test("mounts of one sandbox have different targets and hide no scratch directory")
    func together() throws {
        let mounts = [
            try SandboxMount.parse(memory: "/a"), try .parse(volume: "v:/b"), try .parse(volume: "v:/a/c:ro"),
        ]
        try SandboxMount.check(mounts, scratch: ["/c", "/ab", "/"])
        #expect(throws: StateError.self) { try SandboxMount.check(mounts + [.parse(memory: "/b/")]) }
        #expect(throws: StateError.self) { try SandboxMount.check(mounts, scratch: ["/b/./x"]) }
        let many = try (0...SandboxMount.mostMounts).map { try SandboxMount.parse(memory: "/m\($0)") }
        #expect(throws: StateError.self) { try SandboxMount.check(many) }
    }
}
