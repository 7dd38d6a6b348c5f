import CCheckpoint
import Glibc
import LinuxSystem

/// A process all of whose threads stand, as long as this object lives. Made, used and freed by one thread.
final class TracedProcess {
    /// A thread and all that only it has.
    struct Thread {
        let number: pid_t
        let name: [UInt8]
        let registers: user_regs_struct
        let vectors: [UInt8]
        let blocked: UInt64
        /// Where libc keeps the thread's number.
        let numberAddress: UInt64
        let robustList: UInt64
        let robustListLength: UInt64
    }

    let pid: pid_t
    private let memory: ProcessMemory
    private var stopped: [pid_t] = []

    /// Stops all threads.
    init(_ pid: pid_t) throws {
        self.pid = pid
        memory = try ProcessMemory(of: pid)
        // Threads may begin while others are being stopped: until a look finds none that is new.
        while true {
            let new = try FileTree.names(in: "/proc/\(pid)/task").compactMap(pid_t.init)
                .filter { !stopped.contains($0) }
            if new.isEmpty { break }
            for thread in new {
                guard trace_stop(pid, thread) == 0 else {
                    if errno == ESRCH { continue }
                    throw SystemError("stop thread", "\(thread)")
                }
                stopped.append(thread)
            }
        }
    }

    deinit { for thread in stopped { _ = trace_release(thread) } }

    /// All threads, the main one first.
    func threads() throws -> [Thread] {
        try stopped.sorted { ($0 == pid ? 0 : 1, $0) < ($1 == pid ? 0 : 1, $1) }.map(thread)
    }

    private func thread(_ number: pid_t) throws -> Thread {
        var registers = user_regs_struct()
        guard trace_registers(number, &registers) == 0 else { throw SystemError("read registers") }
        var vectors = [UInt8](repeating: 0, count: 64 << 10)
        let length = trace_vectors(number, &vectors, vectors.count)
        var blocked: UInt64 = 0
        var robustList: UInt64 = 0
        var robustListLength: UInt64 = 0
        guard length > 0, trace_signal_mask(number, &blocked) == 0,
            trace_robust_list(number, &robustList, &robustListLength) == 0
        else { throw SystemError("read the state of thread", "\(number)") }
        let task = "/proc/\(pid)/task/\(number)"
        return Thread(
            number: number, name: try FileTree.read(task + "/comm", limit: 64).filter { $0 != 0x0a }.prefix(15) + [],
            registers: registers, vectors: Array(vectors.prefix(length)), blocked: blocked,
            numberAddress: try numberAddress(task, registers.fs_base), robustList: robustList,
            robustListLength: robustListLength)
    }

    /// libc keeps the number that the thread knows itself by in the thread's control block.
    private func numberAddress(_ task: String, _ controlBlock: UInt64) throws -> UInt64 {
        let status = try String(decoding: FileTree.read(task + "/status", limit: 1 << 16), as: UTF8.self)
        let line = status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }
        guard let number = line?.split(whereSeparator: \.isWhitespace).last.flatMap({ UInt32($0) }) else {
            throw CheckpointError("a thread has no number")
        }
        let block = try read(controlBlock, count: 0x900)
        // glibc: after the header and the list of threads.
        for offset in stride(from: 0x2c0, to: 0x900, by: 4) {
            let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(block[offset + $1]) << UInt32($1 * 8) }
            if word == number { return controlBlock + UInt64(offset) }
        }
        throw CheckpointError("a thread's number is not in its control block")
    }

    /// What the process does on signals, but for those that do what they do in every new process.
    func signalActions() throws -> [restore_signal] {
        let (thread, registers) = try callingThread()
        var actions: [restore_signal] = []
        for signal in Int32(1)...64 where signal != SIGKILL && signal != SIGSTOP {
            var words = [UInt64](repeating: 0, count: 4)
            // Below the red zone that the interrupted function may use.
            let scratch = (registers.rsp - 1024) & ~15
            guard trace_signal_action(pid, thread, signal, registers.rip - 2, scratch, &words) == 0 else {
                throw SystemError("ask for the action of signal", "\(signal)")
            }
            if words[0] == 0 { continue }
            actions.append(
                restore_signal(
                    number: UInt64(signal), handler: words[0], flags: words[1], restorer: words[2], mask: words[3]))
        }
        return actions
    }

    /// A thread that stands in a system call: it can be made to make another.
    private func callingThread() throws -> (pid_t, user_regs_struct) {
        for thread in stopped {
            var registers = user_regs_struct()
            guard trace_registers(thread, &registers) == 0 else { throw SystemError("read registers") }
            guard Int64(bitPattern: registers.orig_rax) >= 0, try read(registers.rip - 2, count: 2) == [0x0f, 0x05]
            else {
                continue
            }
            return (thread, registers)
        }
        throw CheckpointError("none of its threads is in a system call")
    }

    /// Its memory, in order.
    func ranges() throws -> [MemoryRange] { try memory.ranges() }

    /// How the pages of a range are.
    func pages(_ bounds: Range<UInt64>) throws -> [ProcessMemory.Page] { try memory.pages(bounds) }

    /// Bytes of its memory.
    func read(_ address: UInt64, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(address, into: $0) }
        return bytes
    }

    /// Bytes of its memory.
    func read(_ address: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try memory.read(address, into: buffer)
    }
}
