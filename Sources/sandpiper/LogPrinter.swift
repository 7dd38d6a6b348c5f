import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// Prints the records of a job's log: its stdout to stdout, its stderr to stderr.
struct LogPrinter {
    /// One of the two.
    private struct Stream {
        let target: Descriptor
        let isTerminal: Bool
        var filter = TerminalFilter()
        var isAtLineStart = true

        init(_ number: Int32) throws(SystemError) {
            target = try Descriptor(duplicating: number)
            isTerminal = target.isTerminal
        }
    }

    private var output: Stream
    private var error: Stream
    private let timestamps: Bool

    /// - Parameter timestamps: whether each line begins with the time when it did.
    init(timestamps: Bool) throws(SystemError) {
        output = try Stream(1)
        error = try Stream(2)
        self.timestamps = timestamps
    }

    /// Prints a piece of output.
    mutating func print(_ record: JobLogReader.Record) throws(SystemError) {
        switch record.channel {
        case .output: try Self.print(record, to: &output, timestamps: timestamps)
        case .error: try Self.print(record, to: &error, timestamps: timestamps)
        case .end: break
        }
    }

    private static func print(
        _ record: JobLogReader.Record, to stream: inout Stream, timestamps: Bool
    ) throws(SystemError) {
        let bytes = timestamps ? stamped(record, &stream.isAtLineStart) : record.bytes
        // The guest chooses these bytes: on a terminal they must not become commands to it.
        try stream.target.write(stream.isTerminal ? stream.filter.filter(bytes) : bytes)
    }

    /// The bytes of a record with its time before each line that begins in it.
    static func stamped(_ record: JobLogReader.Record, _ isAtLineStart: inout Bool) -> [UInt8] {
        let stamp = Array("\(Timestamp(nanoseconds: record.time)) ".utf8)
        var result: [UInt8] = []
        var rest = record.bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            let whole = rest.prefix(line.count + 1)
            if isAtLineStart { result += stamp }
            result += whole
            isAtLineStart = whole.count > line.count
            rest = rest.dropFirst(whole.count)
        }
        return result
    }
}
