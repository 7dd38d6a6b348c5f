import SandboxState

/// Which part of a job's log is wanted.
struct LogSelection {
    /// The earliest time, in nanoseconds since 1970.
    var since: UInt64 = 0
    /// The latest time.
    var until: UInt64 = .max
    /// The streams.
    var channels: Set<JobLog.Channel> = [.output, .error]

    /// Whether a record belongs to that part.
    func contains(_ record: JobLogReader.Record) -> Bool {
        channels.contains(record.channel) && (since...max(since, until)).contains(record.time) && since <= until
    }

    /// The last lines of records in the order of their times: a line of a stream counts where it ends, and is whole.
    static func tail(_ count: Int, of records: [JobLogReader.Record]) -> [JobLogReader.Record] {
        var rest = records[...]
        var kept: [JobLogReader.Record] = []
        var lines = 0
        /// Streams of which a line was begun from its end.
        var begun: Set<JobLog.Channel> = []
        /// Streams of which everything wanted is found.
        var finished: Set<JobLog.Channel> = []
        while let record = rest.popLast(), finished.count < 2 {
            guard !finished.contains(record.channel), !record.bytes.isEmpty else { continue }
            var end = record.bytes.endIndex
            var start = record.bytes.endIndex
            if begun.insert(record.channel).inserted {
                guard lines < count else {
                    finished.insert(record.channel)
                    continue
                }
                lines += 1
                // The line feed at the very end ends this line, and no other.
                if record.bytes.last == newline { end -= 1 }
            }
            while let feed = record.bytes[..<end].lastIndex(of: newline) {
                // Behind it begins the line that is in hand.
                start = feed + 1
                guard lines < count else {
                    finished.insert(record.channel)
                    break
                }
                lines += 1
                end = feed
            }
            if !finished.contains(record.channel) { start = record.bytes.startIndex }
            guard start < record.bytes.endIndex else { continue }
            kept.append(.init(time: record.time, channel: record.channel, bytes: Array(record.bytes[start...])))
        }
        return kept.reversed()
    }

    /// The job whose output is meant when nobody says which: the newest main process, or else the newest of all.
    static func usualJob(_ jobs: [JobRecord], main: JobSpecification?) -> JobRecord? {
        jobs.last { $0.command == main?.arguments } ?? jobs.last
    }

    private static let newline = UInt8(ascii: "\n")
}
