import NetworkStack

/// What one end of a connection does: reads by one list of steps and writes by another, at the same time. The same words
/// as in `compare.py`, which does the same with sockets of the kernel.
struct Script {
    enum Step: Equatable {
        case receive(Int), receiveAll, pause(UInt64), send(Int), finish, awaitReader, reset, cut
    }

    private(set) var reader: [Step] = []
    private(set) var writer: [Step] = []
    private(set) var refuses: Refusal?

    /// Reads `r:recv-all;w:send 1000,fin`, or `refuse reset`; `nil` for anything else.
    init?(_ text: String) {
        for part in text.split(separator: ";") {
            if part.hasPrefix("refuse") {
                refuses = part.hasSuffix("prohibited") ? .prohibited : .reset
                continue
            }
            for word in part.dropFirst(2).split(separator: ",") {
                guard let step = Self.step(word) else { return nil }
                if part.hasPrefix("r:") { reader.append(step) } else { writer.append(step) }
            }
        }
    }

    private static func step(_ text: Substring) -> Step? {
        let words = text.split(separator: " ")
        let number = words.count == 2 ? Int(words[1]) : nil
        switch (words.first, number) {
        case ("recv", let count?): return .receive(count)
        case ("send", let count?): return .send(count)
        case ("pause", let milliseconds?): return .pause(UInt64(milliseconds) * 1_000_000)
        case ("recv-all", nil): return .receiveAll
        case ("fin", nil): return .finish
        case ("await-recv", nil): return .awaitReader
        case ("reset", nil): return .reset
        case ("cut", nil): return .cut
        default: return nil
        }
    }
}

/// The bytes that every stream of the comparison is made of.
enum Pattern {
    static let length = 65521
    static let bytes: [UInt8] = (0..<2 * length).map {
        let place = $0 % length
        return UInt8(truncatingIfNeeded: place &* 31 &+ (place >> 8))
    }

    /// The `count` bytes from `offset` of the stream on; `count` is at most `length`.
    static func part(_ offset: Int, _ count: Int) -> ArraySlice<UInt8> {
        let start = offset % length
        return bytes[start..<(start + min(count, length))]
    }
}
