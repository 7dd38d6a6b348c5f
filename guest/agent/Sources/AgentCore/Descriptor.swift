import CAgent
import Glibc

/// Opens a place in the file system and not what is there; the C library shows it to GNU programs only.
let O_PATH: Int32 = 0o10000000

/// A file descriptor that closes itself.
final class Descriptor {
    /// The descriptor's number.
    let number: Int32

    /// Takes ownership of an open descriptor.
    init(_ number: Int32) { self.number = number }

    deinit { close(number) }

    /// An end of a pipe.
    enum PipeEnd { case reading, writing }

    /// A pipe, close-on-exec; the agent's own end does not block.
    static func pipe(nonblocking end: PipeEnd = .reading) throws(AgentError) -> (
        reading: Descriptor, writing: Descriptor
    ) {
        var ends: (Int32, Int32) = (-1, -1)
        try AgentError.check("make a pipe") {
            withUnsafeMutableBytes(of: &ends) { agent_pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        }
        let pair = (reading: Descriptor(ends.0), writing: Descriptor(ends.1))
        try (end == .reading ? pair.reading : pair.writing).setNonblocking()
        return pair
    }

    /// Gives a pipe room for so many bytes: `F_SETPIPE_SZ` of fcntl(2).
    /// - Returns: what fcntl(2) returned.
    func setPipeSize(_ bytes: Int) -> Int32 { fcntl(number, 1031, Int32(clamping: bytes)) }

    /// Opens a path in the current root, close-on-exec.
    static func open(_ path: String, _ flags: Int32) throws(AgentError) -> Descriptor {
        Descriptor(try AgentError.check("open \(path)") { Glibc.open(path, flags | O_CLOEXEC) })
    }

    /// Makes reads and writes return EAGAIN instead of waiting.
    func setNonblocking() throws(AgentError) {
        let flags = try AgentError.check("read descriptor flags") { fcntl(number, F_GETFL) }
        try AgentError.check("set descriptor flags") { fcntl(number, F_SETFL, flags | O_NONBLOCK) }
    }

    /// Writes all of `bytes`; for files, where a write does not stop half-way without an error.
    func writeAll(_ bytes: [UInt8], to name: @autoclosure () -> String) throws(AgentError) {
        var offset = 0
        while offset < bytes.count {
            offset += try AgentError.check("write \(name())") {
                bytes.withUnsafeBytes { buffer in
                    write(number, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
                }
            }
        }
    }

    /// Reads what is left, at most `limit` bytes.
    /// - Returns: `nil` when there is more than `limit`.
    func readAll(upTo limit: Int, from name: @autoclosure () -> String) throws(AgentError) -> [UInt8]? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = try AgentError.check("read \(name())") {
                chunk.withUnsafeMutableBytes { read(number, $0.baseAddress, $0.count) }
            }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { return nil }
            bytes.append(contentsOf: chunk.prefix(count))
        }
    }
}
