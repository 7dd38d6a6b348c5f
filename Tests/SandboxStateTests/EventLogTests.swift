import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("The log of events") final class EventLogTests {
    private let home = Home(path: "/tmp/sandpiper-events-\(getpid())-\(UInt32.random(in: .min ... .max))")
    private let id = SandboxID()

    init() throws { try FileTree.makeDirectory(home.path) }

    deinit { try? FileTree.removeTree(home.path) }

    @Test("gives back what was written, also to one who reads while it is written")
    func following() throws {
        var reader = EventLogReader(home)
        #expect(try reader.events() == [])
        let log = EventLog(home)
        let first = EventLog.Event(.create, id, name: "web", detail: "a \"line\"\nand another")
        log.append(first)
        #expect(try reader.events() == [first])
        #expect(try reader.events() == [])
        let others = [EventLog.Event(.start, id), EventLog.Event(.crash, id, detail: "why")]
        others.forEach(log.append)
        #expect(try reader.events() == others)
    }

    @Test("a line that is not complete is no event yet, and what is no event is passed over")
    func damage() throws {
        let log = EventLog(home)
        let event = EventLog.Event(.stop, id)
        log.append(event)
        let whole = try FileTree.read(log.path)
        let file = try Descriptor(opening: log.path, O_WRONLY | O_TRUNC)
        try file.write(Array("\n{}\n\u{0}\n{\"event\":\"dance\"}\n".utf8) + [0xff, 0xfe, 10] + whole.dropLast(5))
        var reader = EventLogReader(home)
        #expect(try reader.events() == [])
        try file.write(Array(whole.suffix(5)))
        #expect(try reader.events() == [event])
    }

    @Test("a line without end takes no memory, and the event after it is found")
    func endlessLine() throws {
        let log = EventLog(home)
        let file = try Descriptor(opening: log.path, O_WRONLY | O_CREAT)
        try file.write([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20) + [10])
        let event = EventLog.Event(.stop, id)
        log.append(event)
        var reader = EventLogReader(home)
        #expect(try reader.events() == [event])
    }

    @Test("takes at most two files, and a reader goes from the older to the newer")
    func rotation() throws {
        let log = EventLog(home)
        let long = String(repeating: "x", count: 60_000)
        var reader = EventLogReader(home)
        var seen = 0
        for number in 0..<200 {
            log.append(.init(.exec, id, name: "\(number)", detail: long))
            if number % 3 == 0 { seen += try reader.events().count }
        }
        seen += try reader.events().count
        #expect(seen == 200)
        #expect(try FileTree.names(in: home.path) == ["events.lock", "events.log", "events.log.1"])
        var late = EventLogReader(home)
        let names = try late.events().compactMap { $0.name.flatMap { Int($0) } }
        #expect(names.last == 199)
        #expect(names == Array((names.first ?? 0)...199))
    }
}
