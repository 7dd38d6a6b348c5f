/// Follows the body of one message to its end.
struct HTTPBodyTracker {
    private enum State {
        case bytes(UInt64)
        case untilClose
        case chunkLine
        case chunk(UInt64)
        /// The CR LF after a chunk.
        case chunkEnd
        /// Headers after the last chunk, of which so many bytes have passed.
        case trailers(Int)
        case done
    }

    private var state: State

    init(_ body: HTTPBody) {
        switch body {
        case .length(let length): state = length == 0 ? .done : .bytes(length)
        case .chunked: state = .chunkLine
        case .untilClose: state = .untilClose
        }
    }

    /// Whether nothing more belongs to the body.
    var isDone: Bool { if case .done = state { true } else { false } }

    /// The longest line with the length of a chunk, and so with its extensions.
    static let maximumLine = 1024
    /// The most bytes of headers after the last chunk.
    static let maximumTrailers = 16 << 10

    /// Takes what of the body stands at the front of the bytes.
    ///
    /// - Returns: how many bytes those are: what of framing is not complete is left. What is malformed is thrown when it
    ///   is at the front, so that it does not matter how much comes at once.
    mutating func take(_ bytes: Span<UInt8>) throws(HTTPFault) -> Int {
        var position = 0
        while !isDone {
            do throws(HTTPFault) {
                guard let count = try step(bytes.extracting(position...)) else { break }
                position += count
            } catch {
                if position > 0 { break }
                throw error
            }
        }
        return position
    }

    /// Takes one part; `nil` when there is not enough of it.
    private mutating func step(_ bytes: Span<UInt8>) throws(HTTPFault) -> Int? {
        switch state {
        case .done: return nil
        case .untilClose: return bytes.isEmpty ? nil : bytes.count
        case .bytes(let left):
            let count = Int(min(left, UInt64(bytes.count)))
            state = left == UInt64(count) ? .done : .bytes(left - UInt64(count))
            return count > 0 ? count : nil
        case .chunk(let left):
            let count = Int(min(left, UInt64(bytes.count)))
            state = left == UInt64(count) ? .chunkEnd : .chunk(left - UInt64(count))
            return count > 0 ? count : nil
        case .chunkEnd:
            if let first = bytes.indices.first, bytes[first] != UInt8(ascii: "\r") { throw .chunk }
            guard bytes.count >= 2 else { return nil }
            guard bytes[1] == UInt8(ascii: "\n") else { throw .chunk }
            state = .chunkLine
            return 2
        case .chunkLine:
            guard let line = try completeLine(bytes, limit: Self.maximumLine) else { return nil }
            let size = try Self.chunkSize(line)
            state = size == 0 ? .trailers(0) : .chunk(size)
            return line.count + 2
        case .trailers(let passed):
            guard let line = try completeLine(bytes, limit: Self.maximumTrailers - passed) else { return nil }
            if line.isEmpty {
                state = .done
            } else {
                _ = try HTTPHead.header(line)
                state = .trailers(passed + line.count + 2)
            }
            return line.count + 2
        }
    }

    /// The first line without its end; `nil` while it has none.
    private func completeLine(_ bytes: Span<UInt8>, limit: Int) throws(HTTPFault) -> ArraySlice<UInt8>? {
        for index in 0..<min(bytes.count, limit) {
            if bytes[index] == UInt8(ascii: "\n") { throw .lineEnd }
            guard bytes[index] == UInt8(ascii: "\r") else { continue }
            guard index + 1 < bytes.count else { return nil }
            guard bytes[index + 1] == UInt8(ascii: "\n") else { throw .lineEnd }
            return bytes.copy(index)
        }
        guard bytes.count < limit else { throw .tooLong }
        return nil
    }

    /// The number at the beginning of a chunk's line (RFC 9112 section 7.1), which extensions may follow.
    private static func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPFault) -> UInt64 {
        var size: UInt64 = 0
        var digits = 0
        for (index, byte) in line.enumerated() {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46, 0x61...0x66: digit = (byte | 0x20) - 0x61 + 10
            case UInt8(ascii: ";") where digits > 0:
                guard line.dropFirst(index).allSatisfy({ $0 >= 0x20 || $0 == 0x09 }) else { throw .chunk }
                return size
            default: throw .chunk
            }
            digits += 1
            // A number of 15 digits cannot overflow.
            guard digits <= 15 else { throw .chunk }
            size = size << 4 | UInt64(digit)
        }
        guard digits > 0 else { throw .chunk }
        return size
    }
}
