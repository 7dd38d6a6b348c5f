import Checkpoint
import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("The memory of a frozen machine") struct FrozenMemoryTests {
    private static let pages = 64

    /// Pages that are filled with a number.
    private static func file(_ values: [UInt8]) throws -> Descriptor {
        let file = try Descriptor.memory("pages")
        for value in values { try file.write([UInt8](repeating: value, count: MemoryLayer.pageSize)) }
        return try file.reopened()
    }

    /// A memory of random layers, and what each of its pages is filled with.
    private static func random(layers: Int, _ generator: inout some RandomNumberGenerator) throws
        -> (FrozenMemory, [UInt8])
    {
        var expected = [UInt8](repeating: 1, count: pages)
        var memory = FrozenMemory(size: Int64(pages * MemoryLayer.pageSize), base: try file(expected))
        for layer in 0..<layers {
            let value = UInt8(layer + 2)
            let changed = (0..<pages).filter { _ in UInt8.random(in: 0...3, using: &generator) == 0 }
            let runs = changed.map { MemoryLayer.Run(start: $0, count: 1) }.union([]).joined(most: pages)
            var content: [UInt8] = []
            for run in runs {
                for page in run.start..<run.end {
                    expected[page] = value
                    content.append(value)
                }
            }
            memory.layers.append(MemoryLayer(file: try file(content), runs: runs))
        }
        return (memory, expected)
    }

    @Test("is what its layers are, as parts of files and as one file", arguments: 0..<6)
    func layers(_ count: Int) throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            let (memory, expected) = try Self.random(layers: count, &generator)
            var found: [UInt8] = []
            for part in memory.parts {
                var byte: UInt8 = 0
                for offset in stride(from: part.offset, to: part.offset + part.length, by: MemoryLayer.pageSize) {
                    _ = try withUnsafeMutableBytes(of: &byte) { try memory.files[part.file].read(into: $0, at: offset) }
                    found.append(byte)
                }
            }
            #expect(found == expected)
            let flat = try Descriptor.memory("flat")
            try memory.flatten(to: flat)
            let bytes = try flat.reopened().readAll(limit: 1 << 20)
            #expect(bytes.count == Int(memory.size))
            #expect(stride(from: 0, to: bytes.count, by: MemoryLayer.pageSize).map { bytes[$0] } == expected)
        }
    }

    @Test("is read in pieces of any length", arguments: 0..<4)
    func reading(_ count: Int) throws {
        var generator = SystemRandomNumberGenerator()
        for step in [1, 3, 64] {
            let (memory, expected) = try Self.random(layers: count, &generator)
            var reader = FrozenMemoryReader(memory)
            var found: [UInt8] = []
            for first in stride(from: 0, to: Self.pages, by: step) {
                var bytes = [UInt8](repeating: 0, count: min(step, Self.pages - first) * MemoryLayer.pageSize)
                try bytes.withUnsafeMutableBytes { try reader.read(Int64(first * MemoryLayer.pageSize), into: $0) }
                found += stride(from: 0, to: bytes.count, by: MemoryLayer.pageSize).map { bytes[$0] }
            }
            #expect(found == expected)
            var beyond: [UInt8] = [0]
            #expect(throws: SystemError.self) {
                try beyond.withUnsafeMutableBytes { try reader.read(memory.size, into: $0) }
            }
        }
    }

    @Test("of a process is compared with another one page by page")
    func different() throws {
        var generator = SystemRandomNumberGenerator()
        let (other, expected) = try Self.random(layers: 2, &generator)
        let own = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(other.size), alignment: MemoryLayer.pageSize)
        defer { own.deallocate() }
        var changed: Set<Int> = []
        for page in 0..<Self.pages {
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: own[page * MemoryLayer.pageSize..<(page + 1) * MemoryLayer.pageSize])
            bytes.initializeMemory(as: UInt8.self, repeating: expected[page])
            guard UInt8.random(in: 0...2, using: &generator) == 0 else { continue }
            bytes[bytes.count - 1] = 99
            changed.insert(page)
        }
        let start = UInt64(UInt(bitPattern: own.baseAddress))
        let capture = MemoryCapture(
            memory: try ProcessMemory(of: getpid()), bounds: start..<start + UInt64(other.size))
        let all = [MemoryLayer.Run(start: 0, count: Self.pages)]
        #expect(Set(try capture.different(all, from: other).flatMap { $0.start..<$0.end }) == changed)
        let some = [MemoryLayer.Run(start: 3, count: 5), MemoryLayer.Run(start: 60, count: 4)]
        #expect(
            Set(try capture.different(some, from: other).flatMap { $0.start..<$0.end })
                == changed.filter { (3..<8).contains($0) || $0 >= 60 })
    }

    @Test("comes back from the index of a layer, and no other bytes are one")
    func index() throws {
        let size = Int64(Self.pages * MemoryLayer.pageSize)
        let runs: [MemoryLayer.Run] = [
            .init(start: 0, count: 1), .init(start: 5, count: 3), .init(start: 63, count: 1),
        ]
        let bytes = MemoryLayer.index(runs)
        #expect(MemoryLayer.runs(index: bytes, memory: size) == runs)
        #expect(MemoryLayer.runs(index: [], memory: size) == [])
        #expect(MemoryLayer.runs(index: Array(bytes.dropLast()), memory: size) == nil)
        #expect(MemoryLayer.runs(index: bytes, memory: size - Int64(MemoryLayer.pageSize)) == nil)
        for wrong: [MemoryLayer.Run] in [
            [.init(start: 1, count: 0)], [.init(start: 5, count: 3), .init(start: 7, count: 1)],
            [.init(start: 5, count: 1), .init(start: 4, count: 1)], [.init(start: 64, count: 1)],
            [.init(start: 0, count: 65)], [.init(start: 0xffff_ffff, count: 0xffff_ffff)],
        ] {
            #expect(MemoryLayer.runs(index: MemoryLayer.index(wrong), memory: size) == nil, "\(wrong)")
        }
        let many = [UInt8](repeating: 0, count: (MemoryLayer.mostRuns + 1) * 8)
        #expect(MemoryLayer.runs(index: many, memory: size) == nil)
    }

    @Test("has few runs, however many pages have changed")
    func fewRuns() {
        let scattered = stride(from: 0, to: 1000, by: 7).map { MemoryLayer.Run(start: $0, count: 1) }
        #expect(scattered.joined(most: 1000).count == scattered.count)
        let joined = scattered.joined(most: 10)
        #expect(joined.count <= 10)
        for run in scattered { #expect(joined.contains { $0.start <= run.start && run.end <= $0.end }) }
        #expect(scattered.union([.init(start: 0, count: 1000)]) == [.init(start: 0, count: 1000)])
    }
}
