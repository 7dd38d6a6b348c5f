import CCheckpoint
import LinuxSystem

/// Writes a frozen process as an ELF program: its code and its tables as the two segments that the kernel loads, behind
/// them the memory that the code maps.
struct ProgramFile {
    private let file: Descriptor
    private let checkpoint: Checkpoint
    /// The numbers of the files that the program may map.
    private let inodes: [UInt64]
    private var ranges: [restore_range] = []
    private var vdso: [MemoryRange] = []
    /// Where the next page of memory goes.
    private var end: Int64 = memoryOffset

    private static let page: UInt64 = 4096
    private static let codeOffset: Int64 = 4096
    private static let planOffset: Int64 = 4096 + 0x10000
    /// The tables have the room before it.
    private static let memoryOffset: Int64 = 4 << 20
    /// Where the program's own code and tables lie in the thawed process.
    private static let own = UInt64(RESTORE_CODE_ADDRESS)..<UInt64(RESTORE_END_ADDRESS)
    /// How far the main thread's stack may grow, in bytes.
    private static let stackLimit: UInt64 = 8 << 20
    /// So few other pages between those that are written are written too, rather than mapped by themselves.
    private static let smallestHole = 16

    /// Where memory comes from.
    private enum Source: Equatable {
        case zeros
        /// The program itself.
        case program
        /// One of the files that it may map.
        case file(Int)

        var number: UInt32 {
            switch self {
            case .zeros: 0
            case .program: 1
            case .file(let index): UInt32(index) + 2
            }
        }
    }

    init(_ file: Descriptor, _ checkpoint: Checkpoint, inodes: [UInt64]) {
        self.file = file
        self.checkpoint = checkpoint
        self.inodes = inodes
    }

    // MARK: Memory

    mutating func add(
        _ all: [MemoryRange], of process: TracedProcess, _ memory: Checkpoint.OwnedMemory
    ) throws {
        var before: UInt64 = 0
        for range in all {
            defer { before = range.bounds.upperBound }
            if memory.bounds.overlaps(range.bounds) {
                guard memory.bounds.contains(range.bounds.lowerBound),
                    range.bounds.upperBound <= memory.bounds.upperBound
                else { throw CheckpointError("its memory is not as it was given") }
                continue
            }
            if range.bounds.overlaps(Self.own) {
                // What is left of an earlier thaw.
                guard Self.own.contains(range.bounds.lowerBound), range.bounds.upperBound <= Self.own.upperBound else {
                    throw CheckpointError("its memory lies where the code goes")
                }
                continue
            }
            switch range.name {
            case "[vsyscall]": continue
            case let name where name == "[vdso]" || name.hasPrefix("[vvar"):
                vdso.append(range)
            case _ where range.isShared && range.protection & 2 != 0:
                throw CheckpointError("it shares the memory '\(range.name)' with others")
            default:
                // Also when its thread works on another stack at this moment, as in a coroutine.
                if range.name == "[stack]" { addRoomForStack(below: range.bounds, above: before) }
                try addPrivate(range, of: process)
            }
        }
        var address = memory.bounds.lowerBound
        for part in memory.parts {
            let next = address + UInt64(part.length)
            map(address..<next, 3, .file(part.file), part.offset)
            address = next
        }
        guard address == memory.bounds.upperBound else { throw CheckpointError("its memory was given in part") }
    }

    private mutating func addRoomForStack(below bounds: Range<UInt64>, above before: UInt64) {
        let size = bounds.upperBound - bounds.lowerBound
        guard size < Self.stackLimit else { return }
        let start = max(bounds.upperBound - Self.stackLimit, before + (1 << 20))
        if start < bounds.lowerBound { map(start..<bounds.lowerBound, 3, .zeros, 0) }
    }

    private mutating func addPrivate(_ range: MemoryRange, of process: TracedProcess) throws {
        guard range.protection != 0 else { return map(range.bounds, 0, .zeros, 0) }
        let origin = inodes.firstIndex(of: range.inode).map { Source.file($0) }
        let states = try process.pages(range.bounds)
        func source(_ page: Int) -> Source {
            if states[page] == .changed { return .program }
            // A file that is not there when the program is started is copied.
            return range.inode == 0 ? .zeros : origin ?? .program
        }
        var start = 0
        while start < states.count {
            let kind = source(start)
            var stop = start + 1
            if kind == .program {
                var others = 0
                while stop < states.count, others < Self.smallestHole {
                    others = source(stop) == .program ? 0 : others + 1
                    stop += 1
                }
                stop -= others
            } else {
                while stop < states.count, source(stop) == kind { stop += 1 }
            }
            let part =
                range.bounds.lowerBound + UInt64(start) * Self.page..<range.bounds.lowerBound + UInt64(stop) * Self.page
            switch kind {
            case .zeros: map(part, range.protection, kind, 0)
            case .file: map(part, range.protection, kind, Int64(range.offset) + Int64(start) * Int64(Self.page))
            case .program:
                map(part, range.protection, kind, end)
                try copy(part, of: process)
            }
            start = stop
        }
    }

    private mutating func map(_ bounds: Range<UInt64>, _ protection: UInt32, _ source: Source, _ offset: Int64) {
        ranges.append(
            restore_range(
                address: bounds.lowerBound, length: bounds.upperBound - bounds.lowerBound, offset: UInt64(offset),
                protection: protection, source: source.number))
    }

    private mutating func copy(_ bounds: Range<UInt64>, of process: TracedProcess) throws {
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        var address = bounds.lowerBound
        while address < bounds.upperBound {
            let count = Int(min(bounds.upperBound - address, UInt64(chunk.count)))
            try chunk.withUnsafeMutableBytes { buffer in
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                try process.read(address, into: part)
                try file.write(UnsafeRawBufferPointer(part), at: end)
            }
            end += Int64(count)
            address += UInt64(count)
        }
    }

    // MARK: Tables

    func finish(threads: [TracedProcess.Thread], signals: [restore_signal]) throws {
        var tables = Tables(address: UInt64(RESTORE_PLAN_ADDRESS))
        let planOffset = tables.reserve(MemoryLayout<restore_plan>.size)
        guard let base = vdso.first(where: { $0.name == "[vdso]" })?.bounds.lowerBound else {
            throw CheckpointError("it has no vDSO")
        }
        let vdso = vdso.map {
            restore_vdso(
                distance: Int64(bitPattern: $0.bounds.lowerBound &- base),
                length: $0.bounds.upperBound - $0.bounds.lowerBound, address: $0.bounds.lowerBound)
        }
        let restored = try threads.map { thread in
            var result = restore_thread()
            tables.align(64)
            result.frame = tables.next
            tables.append(
                try SignalFrame.bytes(
                    registers: thread.registers, vectors: thread.vectors, blocked: thread.blocked, at: tables.next))
            result.control_block = thread.registers.fs_base
            result.number_address = thread.numberAddress
            result.robust_list = thread.robustList
            result.robust_list_length = thread.robustListLength
            withUnsafeMutableBytes(of: &result.name) { $0.copyBytes(from: thread.name.prefix(15)) }
            return result
        }
        var plan = restore_plan()
        plan.ranges = tables.append(ranges)
        plan.vdso = tables.append(vdso)
        plan.signals = tables.append(signals)
        plan.threads = tables.append(restored)
        plan.range_count = UInt32(ranges.count)
        plan.vdso_count = UInt32(vdso.count)
        plan.signal_count = UInt32(signals.count)
        plan.thread_count = UInt32(restored.count)
        plan.first_file = checkpoint.program
        plan.file_count = checkpoint.files + 1
        withUnsafeBytes(of: plan) { tables.bytes.replaceSubrange(planOffset..<planOffset + $0.count, with: $0) }
        guard Self.planOffset + Int64(tables.bytes.count) <= Self.memoryOffset else {
            throw CheckpointError("its memory has too many parts")
        }
        try write(tables.bytes, at: Self.planOffset)
        try writeProgram(tableLength: tables.bytes.count)
    }

    private func writeProgram(tableLength: Int) throws {
        var length: UInt64 = 0
        guard let code = restore_code(&length), length <= 0x10000 else { throw CheckpointError("the code is too long") }
        try file.write(UnsafeRawBufferPointer(start: code, count: Int(length)), at: Self.codeOffset)

        // System V ABI, chapters 4 and 5.
        var head = Bytes(count: 64 + 4 * 56)
        for (index, byte) in ([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] as [UInt8]).enumerated() { head.bytes[index] = byte }
        head.set(16, UInt16(2))  // ET_EXEC
        head.set(18, UInt16(62))  // EM_X86_64
        head.set(20, UInt32(1))
        head.set(24, UInt64(RESTORE_CODE_ADDRESS))
        head.set(32, UInt64(64))
        head.set(52, UInt16(64))
        head.set(54, UInt16(56))
        head.set(56, UInt16(4))
        let loaded: [(offset: Int64, address: UInt64, inFile: UInt64, length: UInt64, flags: UInt32)] = [
            (Self.codeOffset, UInt64(RESTORE_CODE_ADDRESS), length, length, 5),
            (Self.planOffset, UInt64(RESTORE_PLAN_ADDRESS), UInt64(tableLength), UInt64(tableLength), 4),
            (0, UInt64(RESTORE_STACK_ADDRESS), 0, UInt64(RESTORE_STACK_SIZE), 6),
        ]
        for (index, segment) in loaded.enumerated() {
            let start = 64 + index * 56
            head.set(start, UInt32(1))  // PT_LOAD
            head.set(start + 4, segment.flags)
            head.set(start + 8, UInt64(segment.offset))
            head.set(start + 16, segment.address)
            head.set(start + 24, segment.address)
            head.set(start + 32, segment.inFile)
            head.set(start + 40, segment.length)
            head.set(start + 48, Self.page)
        }
        // PT_GNU_STACK: the stack is not executable.
        head.set(64 + 3 * 56, UInt32(0x6474_e551))
        head.set(64 + 3 * 56 + 4, UInt32(6))
        head.set(64 + 3 * 56 + 48, UInt64(16))
        try write(head.bytes, at: 0)
    }

    private func write(_ bytes: [UInt8], at offset: Int64) throws {
        try bytes.withUnsafeBytes { try file.write($0, at: offset) }
    }
}

/// Bytes that lie at an address, with tables in them.
private struct Tables {
    private let address: UInt64
    var bytes: [UInt8] = []

    init(address: UInt64) { self.address = address }

    /// The address of the next byte.
    var next: UInt64 { address + UInt64(bytes.count) }

    mutating func align(_ alignment: Int) {
        while bytes.count % alignment != 0 { bytes.append(0) }
    }

    /// Room, and its offset.
    mutating func reserve(_ count: Int) -> Int {
        align(16)
        defer { bytes += [UInt8](repeating: 0, count: count) }
        return bytes.count
    }

    mutating func append(_ more: [UInt8]) { bytes += more }

    /// Appends an array of C's structures; its address, as C would have it.
    mutating func append<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafeMutablePointer<Element>? {
        align(16)
        let start = next
        elements.withUnsafeBytes { bytes += $0 }
        // Of another process: it is only written down, never followed.
        return UnsafeMutablePointer(bitPattern: UInt(start))
    }
}
