import Glibc

/// Bytes that must not be found anywhere else: in memory that is never swapped out, not part of a core dump, not given to
/// a child, and overwritten when it is released. There is one owner and no copy.
public struct LockedBytes: ~Copyable, Sendable {
    /// The memory is this value's own until `deinit`, and nobody writes to it after `init`.
    private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
    /// How many bytes there are.
    public let count: Int

    /// Takes room for `count` bytes and lets `fill` write them there.
    /// - Throws: ``SystemError``: `ENOMEM` or `EPERM` when RLIMIT_MEMLOCK does not allow so many, see mlock(2).
    public init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) throws(SystemError) {
        let page = max(sysconf(Int32(_SC_PAGESIZE)), 4096)
        let length = max((count + page - 1) / page, 1) * page
        guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { throw SystemError("take memory for secrets") }
        guard mlock(start, length) == 0, madvise(start, length, Int32(MADV_DONTDUMP)) == 0,
            madvise(start, length, Int32(MADV_DONTFORK)) == 0
        else {
            let error = SystemError("lock memory for secrets")
            munmap(start, length)
            throw error
        }
        memory = UnsafeMutableRawBufferPointer(start: start, count: length)
        self.count = count
        fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    /// Lends the bytes. What is copied out of here is the borrower's to overwrite.
    public borrowing func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]))
    }

    /// Overwrites memory with zeros, also where the compiler sees that nobody reads it again.
    public static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        explicit_bzero(start, bytes.count)
    }

    deinit {
        Self.wipe(memory)
        munmap(memory.baseAddress, memory.count)
    }
}
