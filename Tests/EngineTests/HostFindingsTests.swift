import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("What is found out about the host") struct HostFindingsTests {
    /// An empty directory that ends with the test.
    private final class Folder {
        let path = "/tmp/sandpiper-folder-\(getpid())-\(UInt32.random(in: .min ... .max))"
        init() throws { try FileTree.makeDirectory(path) }
        deinit { try? FileTree.removeTree(path) }
    }

    private static let boot = (try? FileTree.read("/proc/sys/kernel/random/boot_id", limit: 256)) ?? []

    @Test("about KVM is kept until the host boots anew", .enabled(if: access("/dev/kvm", R_OK | W_OK) == 0))
    func kvmCache() throws {
        let folder = try Folder()
        let probe = KVMProbe(cacheDirectory: folder.path)
        let cache = folder.path + "/kvm"
        #expect(probe.state() == KVMProbe(cacheDirectory: folder.path).state())
        let kept = try FileTree.read(cache)
        #expect(kept.starts(with: Self.boot))

        try FileTree.writeAtomically(Self.boot + Array("broken\nfor the test\n".utf8), to: cache)
        #expect(probe.state() == .broken("for the test"))
        for nonsense in ["", "x", "another boot\nbroken\nold\n", String(repeating: "\n", count: 5000)] {
            try FileTree.writeAtomically(Array(nonsense.utf8), to: cache)
            #expect(probe.state() != .broken("old"))
            #expect(try FileTree.read(cache) == kept)
        }
    }

    @Test("about KVM takes no more than the time of its trials", .enabled(if: access("/dev/kvm", R_OK | W_OK) == 0))
    func kvmTrial() {
        let start = ContinuousClock.now
        _ = KVMProbe.trial()
        #expect(ContinuousClock.now - start < .seconds(7))
    }

    @Test("makes an emulated engine of a host without working KVM, with one line that says why")
    func emulated() throws {
        let folder = try Folder()
        let finder = EngineFinder(cacheDirectory: folder.path)
        let engine = try finder.find()
        let notice = engine.notice
        if engine.kvm == .works {
            #expect(engine.accelerator == .kvm)
            #expect(notice == nil)
        } else {
            #expect(engine.accelerator == .emulated)
            #expect(notice?.contains("\(engine.kvm)") == true)
            #expect(notice?.contains("\n") == false)
            #expect(throws: EngineError.kvmRequired(engine.kvm)) { try finder.find(requireKVM: true) }
        }
    }

    @Test("names every place where no engine was")
    func noEngine() throws {
        let folder = try Folder()
        let error = #expect(throws: EngineError.self) {
            try EngineFinder(cacheDirectory: folder.path, directories: [folder.path]).find()
        }
        #expect(error?.description.contains(folder.path + "/qemu-system-x86_64") == true)
    }

    @Test("about a program is its loader and its libraries")
    func program() throws {
        let program = ELFProgram(try Descriptor(opening: "/bin/ls"))
        #expect(program.loader == "/lib64/ld-linux-x86-64.so.2")
        #expect(program.libraries.contains("libc.so.6"))
    }

    @Test("about a file that is no program, or a damaged one, is nothing or less")
    func damagedProgram() throws {
        for text in ["", "#!/bin/sh\n", "\u{7f}ELF\u{2}\u{1}"] {
            let file = try Descriptor.memory("damaged")
            try file.write(Array(text.utf8))
            let program = ELFProgram(file)
            #expect(program.loader == nil)
            #expect(program.libraries.isEmpty)
        }
        let good = try FileTree.read("/bin/ls")
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var bytes = good
            for _ in 0..<8 {
                bytes[Int.random(in: 0..<1024, using: &random)] = .random(in: .min ... .max, using: &random)
            }
            let file = try Descriptor.memory("damaged")
            try file.write(bytes)
            _ = ELFProgram(file)
        }
    }

    @Test("about user numbers gives every machine one of its own")
    func users() {
        let all = "         0          0 4294967295\n"
        #expect(EngineUser.choose(number: 0, map: all) == Walls.firstUser)
        #expect(EngineUser.choose(number: 41, map: all) == Walls.firstUser + 41)
        #expect(EngineUser.choose(number: .max, map: all) != nil)
        // A container of 65536 users, one of a single user, and nonsense.
        #expect(EngineUser.choose(number: 3, map: "0 100000 65536\n") == 65_532)
        #expect(EngineUser.choose(number: .max, map: "0 100000 65536\n").map { $0 > 30_000 } == true)
        #expect(EngineUser.choose(number: 3, map: "0 1000 1\n") == nil)
        for nonsense in ["", "x", "1 2", "0 0 0", "4294967295 0 4294967295", "-1 2 3"] {
            #expect(EngineUser.choose(number: 3, map: nonsense) ?? 1 > 0)
        }
    }

    @Test("is listed with a cure for all that is not as it should be")
    func inspection() throws {
        let folder = try Folder()
        let found = Inspection(
            cacheDirectory: folder.path, storage: folder.path,
            files: [("kernel", folder.path + "/vmlinux", "make kernel"), ("shell", "/bin/sh", "")]
        ).run()
        for prerequisite in found {
            #expect((prerequisite.state == .good) == (prerequisite.cure == nil), "\(prerequisite)")
            #expect(!prerequisite.finding.contains("\n") && !prerequisite.finding.isEmpty, "\(prerequisite)")
        }
        func named(_ name: String) -> Prerequisite? { found.first { $0.name == name } }
        #expect(named("kernel")?.state == .missing)
        #expect(named("shell")?.state == .good)
        #expect(named("engine")?.finding.contains("QEMU emulator version") == true, "\(found)")
        #expect(named("wall: system calls")?.state == .good)
        for name in ["KVM", "memory", "disk space", "firmware"] { #expect(named(name) != nil, "\(name)") }
    }
}
