import Engine
import Glibc
import LinuxSystem
import Testing

@testable import Template

@Suite("The template store", .serialized) struct StoreTests {
    @Test("makes a template once when twenty ask at once")
    func once() async throws {
        let workshop = try Workshop()
        let inodes = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for _ in 0..<20 {
                // Each with a store of its own, as in processes of their own: they meet at the lock only.
                group.addTask {
                    let store = TemplateStore(home: workshop.home)
                    let template = try await store.template(for: workshop.specification, on: workshop.engine)
                    return UInt64(try template.memoryFile.status().st_ino)
                }
            }
            return try await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        #expect(inodes.count == 1)
        #expect(try workshop.store.list().allSatisfy { $0.engineProblem == nil })
        #expect(try workshop.store.list().count == 1)
    }

    @Test(
        "refuses a damaged or foreign template and makes it anew",
        arguments: ["memory", "state", "upper", "engine", "engine.layout", "manifest.json"])
    func damage(_ file: String) async throws {
        let workshop = try Workshop()
        let template = try await workshop.template()
        let path = workshop.path(template, file)
        if workshop.engine.accelerator == .kvm, file.hasPrefix("engine") { return }
        chmod(path, 0o600)
        let damaged = try Descriptor(opening: path, O_RDWR)
        try [UInt8(0xff), 0xfe, 0xff].withUnsafeBytes { try damaged.write($0, at: 100) }
        #expect(try workshop.store.find(workshop.specification, on: workshop.engine) == nil)
        #expect(try workshop.store.verify(template.name) != nil)
        let rebuilt = try await workshop.template()
        #expect(try workshop.store.verify(rebuilt.name) == nil)
        #expect(try await workshop.fork(rebuilt).configure().bootID.isEmpty == false)
    }

    @Test("makes a template anew whose engine was frozen before the host's last boot")
    func earlierBoot() async throws {
        let workshop = try Workshop()
        guard workshop.engine.accelerator == .emulated else { return }
        let path = workshop.path(try await workshop.template(), "manifest.json")
        let text = String(decoding: try FileTree.read(path), as: UTF8.self)
        let boot = try HostClock.boot()
        #expect(text.contains(boot))
        let earlier = text.replacing(boot, with: String(boot.reversed()))
        try FileTree.writeAtomically(Array(earlier.utf8), to: path)
        #expect(try workshop.store.find(workshop.specification, on: workshop.engine) == nil)
        #expect(try await workshop.template().engine != nil)
    }

    @Test("finds a changed page in a file whose time and size are as they were", arguments: ["memory", "engine"])
    func verification(_ file: String) async throws {
        let workshop = try Workshop()
        if workshop.engine.accelerator == .kvm, file == "engine" { return }
        let template = try await workshop.template()
        let path = workshop.path(template, file)
        chmod(path, 0o600)
        let memory = try Descriptor(opening: path, O_RDWR)
        let times = try memory.status()
        var byte = [UInt8(0)]
        _ = try byte.withUnsafeMutableBytes { try memory.read(into: $0, at: 50 << 20) }
        byte[0] ^= 0xff
        try byte.withUnsafeBytes { try memory.write($0, at: 50 << 20) }
        futimens(memory.rawValue, [times.st_atim, times.st_mtim])
        #expect(try workshop.store.find(workshop.specification, on: workshop.engine) != nil)
        #expect(try workshop.store.verify(template.name) == "its \(file) is damaged")
    }

    @Test("is not disturbed by what a killed builder left, and clears it away")
    func leftovers() async throws {
        let workshop = try Workshop()
        let name = try TemplateKey(workshop.specification, on: workshop.engine).name
        let directory = workshop.home + "/templates"
        for name in [name, "0123456789abcdef"] {
            try FileTree.makeDirectory("\(directory)/tmp.\(name)")
            try FileTree.writeAtomically([1, 2, 3], to: "\(directory)/tmp.\(name)/memory")
        }
        let template = try await workshop.template()
        #expect(try workshop.store.verify(template.name) == nil)
        #expect(try FileTree.names(in: directory).allSatisfy { !$0.hasPrefix("tmp.") })
    }

    @Test("tells another kernel, engine, memory or processor count by the name")
    func keys() throws {
        let workshop = try Workshop()
        func name(_ change: (inout TemplateSpecification) -> Void) throws -> String {
            var specification = workshop.specification
            change(&specification)
            return try TemplateKey(specification, on: workshop.engine).name
        }
        let names = [
            try name { _ in }, try name { $0.memory *= 2 }, try name { $0.cpus = 2 },
            try name { $0.kernel = "/etc/passwd" }, try name { $0.initramfs = "/etc/passwd" },
        ]
        #expect(Set(names).count == names.count)
    }

    @Test("removes the least recently used beyond its budget, never the one just made")
    func budget() async throws {
        let workshop = try Workshop(budget: 1)
        let first = try await workshop.template()
        #expect(try workshop.store.list().map(\.name) == [first.name])
        var other = workshop.specification
        other.memory = 256 << 20
        let second = try await workshop.store.template(for: other, on: workshop.engine)
        #expect(try workshop.store.list().map(\.name) == [second.name])
        // What runs from a removed one goes on.
        #expect(try await workshop.fork(first).configure().bootID.isEmpty == false)
        #expect(workshop.store.prune(to: 0) == [second.name])
    }

    @Test(
        "has few sizes of memory", arguments: [(1, 128), (128, 128), (129, 256), (512, 512), (513, 1024), (3000, 4096)])
    func ladder(_ wanted: Int64, _ size: Int64) {
        #expect(MemoryLadder.size(holding: wanted << 20) == size << 20)
    }
}
