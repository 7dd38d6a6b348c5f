import SandboxState
import Testing

@testable import sandpiper

@Suite("What is printed of a log") struct LogTests {
    private func record(
        _ text: String, _ channel: JobLog.Channel = .output, at time: UInt64 = 0
    ) -> JobLogReader.Record { .init(time: time, channel: channel, bytes: Array(text.utf8)) }

    private func tail(_ count: Int, _ records: [JobLogReader.Record]) -> [String] {
        LogSelection.tail(count, of: records).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test(
        "are its last lines",
        arguments: [
            (0, []), (1, ["c\n"]), (2, ["b\nc\n"]), (3, ["a\n", "b\nc\n"]), (9, ["a\n", "b\nc\n"]),
        ] as [(Int, [String])])
    func lastLines(_ count: Int, _ texts: [String]) {
        #expect(tail(count, [record("a\n"), record("b\nc\n")]) == texts)
    }

    @Test("a line in several pieces, or without its end, is one line")
    func pieces() {
        #expect(tail(1, [record("a\nb"), record("b"), record("b\n")]) == ["b", "b", "b\n"])
        #expect(tail(1, [record("a\nbb")]) == ["bb"])
        #expect(tail(2, [record("x\na\n"), record(""), record("b")]) == ["a\n", "b"])
    }

    @Test("lines of both streams count, and both are whole")
    func bothStreams() {
        let records = [
            record("old\n"), record("err1\nerr", .error), record("out1\no"), record("2\n", .error), record("ut2\n"),
        ]
        #expect(tail(2, records) == ["err", "o", "2\n", "ut2\n"])
        #expect(tail(1, records) == ["o", "ut2\n"])
    }

    @Test("is what the times and streams select")
    func selection() {
        let selection = LogSelection(since: 10, until: 20, channels: [.error])
        #expect(selection.contains(record("", .error, at: 10)))
        #expect(selection.contains(record("", .error, at: 20)))
        #expect(!selection.contains(record("", .error, at: 21)))
        #expect(!selection.contains(record("", .output, at: 15)))
        #expect(!LogSelection(since: 20, until: 10).contains(record("", at: 20)))
    }

    @Test("has the time of its first byte before each line")
    func timestamps() {
        var isAtLineStart = true
        var text = ""
        for record in [record("a\nb", at: 0), record("c\n\n", at: 1_000_000_000)] {
            text += String(decoding: LogPrinter.stamped(record, &isAtLineStart), as: UTF8.self)
        }
        let (first, second) = ("1970-01-01T00:00:00.000000000Z ", "1970-01-01T00:00:01.000000000Z ")
        #expect(text == "\(first)a\n\(first)bc\n\(second)\n")
        #expect(isAtLineStart)
    }

    @Test("on a terminal has no control characters, also where they come in two pieces")
    func terminal() {
        var filter = TerminalFilter()
        let pieces: [[UInt8]] = [
            Array("a\u{1B}[2J\tü\r\n\u{7F}".utf8), [0xC2], [0x9B, 0x41, 0xC2], [0xA9], [0xC2, 0x85],
        ]
        let text = String(decoding: pieces.flatMap { filter.filter($0) }, as: UTF8.self)
        #expect(text == "a[2J\tü\nA©")
    }

    @Test("is of the newest main process, or else of the newest job")
    func usualJob() {
        let main = JobSpecification(arguments: ["serve"])
        let jobs = ["serve", "other", "serve", "last"].enumerated().map { index, program in
            JobRecord(number: index + 1, JobSpecification(arguments: [program]), started: 0)
        }
        #expect(LogSelection.usualJob(jobs, main: main)?.number == 3)
        #expect(LogSelection.usualJob(jobs, main: nil)?.number == 4)
        #expect(LogSelection.usualJob(jobs, main: JobSpecification(arguments: ["none"]))?.number == 4)
        #expect(LogSelection.usualJob([], main: main) == nil)
    }

    @Test("times are RFC 3339 or a span before now")
    func bounds() {
        #expect(TimeBound("1970-01-01T00:00:01Z", now: 0)?.nanoseconds == 1_000_000_000)
        #expect(TimeBound("1s", now: 3_000_000_000)?.nanoseconds == 2_000_000_000)
        #expect(TimeBound("10y", now: 0) == nil)
        #expect(TimeBound("1h", now: 5)?.nanoseconds == 0)
    }
}

@Suite("An end") struct KnownEndTests {
    private func job(_ status: Int32?, _ reason: String? = nil) -> JobRecord {
        var job = JobRecord(number: 1, JobSpecification(arguments: ["x"]), started: 0)
        (job.exitStatus, job.reason) = (status, reason)
        return job
    }

    @Test("of a sandbox is its main process's status, or how it came")
    func sandboxes() {
        #expect(KnownEnd(SandboxLife(.stopped, exitStatus: 7), main: nil) == KnownEnd(job(7)))
        #expect(KnownEnd(SandboxLife(.stopped, reason: "it was idle"), main: job(7)).text == "stopped: it was idle")
        #expect(KnownEnd(SandboxLife(.stopped), main: nil).status == 0)
        let crash = KnownEnd(SandboxLife(.crashed, reason: "why"), main: nil)
        #expect((crash.text, crash.status) == ("crashed: why", 125))
    }

    @Test("of a sandbox that removed itself is what was last seen of its main process")
    func removed() {
        #expect(KnownEnd(nil, main: job(6)) == KnownEnd(job(6)))
        #expect(KnownEnd(nil, main: nil).text == "removed")
    }

    @Test("of a job without a status is its reason, and a failure")
    func jobs() {
        let end = KnownEnd(job(nil, "its machine ended"))
        #expect((end.text, end.status) == ("its machine ended", 125))
        #expect(KnownEnd(job(127, "not found")).status == 127)
    }
}

@Suite("Statistics") struct StatisticsTests {
    private func sample(_ time: UInt64, _ microseconds: UInt64) -> StatisticsCollector.Sample {
        .init(time: time, statistics: .init(hostProcessorMicroseconds: microseconds))
    }

    @Test("tell processor time in percent of one processor")
    func percent() {
        #expect(StatisticsCollector.percent(sample(0, 0), sample(1_000_000_000, 500_000)) == 50)
        #expect(StatisticsCollector.percent(sample(0, 0), sample(1_000_000_000, 2_000_000)) == 200)
        #expect(Stats.percent(12.345) == "12.3%")
        #expect(Stats.percent(.infinity) == "0.0%")
    }

    @Test("tell none when a clock went back or stood still")
    func clocks() {
        #expect(StatisticsCollector.percent(sample(0, 10), sample(1, 5)) == nil)
        #expect(StatisticsCollector.percent(sample(5, 0), sample(5, 10)) == nil)
    }
}

@Suite("An event") struct EventFilterTests {
    @Test("is filtered by what happened, and by the sandbox's name and the start of its id")
    func filters() throws {
        let id = SandboxID()
        let event = EventLog.Event(.start, id, name: "web")
        func matches(_ texts: String...) throws -> Bool {
            try texts.map { try #require(EventFilter(argument: $0)) }.matches(event)
        }
        #expect(try matches("event=start", "event=stop", "name=web"))
        #expect(try matches("id=" + id.description.prefix(3)))
        #expect(try !matches("event=stop"))
        #expect(try !matches("event=start", "name=we"))
        #expect(EventFilter(argument: "event=dance") == nil)
    }

    @Test("is a line without control characters, whatever its parts are")
    func line() {
        var event = EventLog.Event(.crash, SandboxID(), name: "web", detail: "one\n\u{1B}two")
        event.time = 0
        #expect(Events.line(event) == "1970-01-01T00:00:00.000000000Z crash \(event.id) (web): one \\u{1b}two")
    }
}

@Suite("The arguments of the commands") struct CommandArgumentTests {
    @Test(
        "are refused before anything is done when they contradict each other",
        arguments: [
            ["logs", "--console", "-f", "x"], ["logs", "--tail", "-1", "x"], ["logs", "--since", "yesterday", "x"],
            ["wait", "--job", "1", "x", "y"], ["prune", "-f"], ["prune", "--sandboxes", "--all"],
            ["prune", "--sandboxes", "--filter", "name=x"], ["ls", "--filter", "x"], ["rename", "x", "a b"],
            ["events", "--filter", "event=x"],
        ])
    func nonsense(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try Sandpiper.parseAsRoot(arguments) }
    }

    @Test(
        "are understood",
        arguments: [
            ["ps", "-aq"], ["ls", "--json", "--filter", "label=a=b", "--filter", "status=stopped"],
            ["logs", "-f", "-t", "-n", "5", "--since", "10m", "--until", "2026-01-01T00:00:00Z", "x"],
            ["prune", "--sandboxes", "-f", "--until", "24h", "--filter", "label=x"],
            ["stats", "--no-stream", "--json"],
        ])
    func sense(_ arguments: [String]) throws { _ = try Sandpiper.parseAsRoot(arguments) }
}
