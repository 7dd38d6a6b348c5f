import ArgumentParser
import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `sandpiper events`: what happens to the sandboxes of this home.
struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what happens to sandboxes, as it happens, until interrupted.",
        discussion: """
            With --since what has happened comes first; with --until it ends then. Times are RFC 3339, or a span before \
            now such as 10m. Filters of one key are alternatives. The newest 4 to 8 MiB of events are kept.
            """)

    @Option(help: "Begin with what has happened since then.") var since: TimeBound?
    @Option(help: "End then.") var until: TimeBound?
    @Option(help: "Only events with event, id or name so: KEY=VALUE.") var filter: [EventFilter] = []
    @Flag(help: "Print a JSON object a line.") var json = false

    func run() throws {
        let home = try Home.current()
        try FileTree.makeDirectory(home.path)
        // Before the log is read: what comes after is told.
        let changes = try InotifyDescriptor()
        try changes.watch(home.path, [.content, .names])
        var log = EventLogReader(home)
        let output = try Descriptor(duplicating: 1)
        let past = try log.events()
        if since != nil || until?.pollTimeout == 0 { try print(past, to: output) }
        while until?.pollTimeout != 0 {
            guard try wait(for: changes) else { return }
            changes.clear()
            try print(log.events(), to: output)
        }
    }

    private func print(_ events: [EventLog.Event], to output: Descriptor) throws {
        let earliest = since?.nanoseconds ?? 0
        let latest = until?.nanoseconds ?? .max
        for event in events where event.time >= earliest && event.time <= latest && filter.matches(event) {
            try output.write(Array((json ? Self.json(event) : Self.line(event)).utf8) + [UInt8(ascii: "\n")])
        }
    }

    /// An event as a line of text.
    static func line(_ event: EventLog.Event) -> String {
        let name = event.name.map { " (\($0.excerpt(63)))" } ?? ""
        let detail = event.detail.map { ": \($0.excerpt())" } ?? ""
        return "\(Timestamp(nanoseconds: event.time)) \(event.event.rawValue) \(event.id.excerpt(20))\(name)\(detail)"
    }

    private static func json(_ event: EventLog.Event) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(event), as: UTF8.self)
    }

    /// Waits for a change or the end of the time; `false` when nobody is left to read the events.
    private func wait(for changes: InotifyDescriptor) throws -> Bool {
        var descriptors = [
            pollfd(fd: changes.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            // Asked for nothing, a pipe still tells that its reader has gone.
            pollfd(fd: 1, events: 0, revents: 0),
        ]
        guard poll(&descriptors, 2, until?.pollTimeout ?? -1) >= 0 || errno == EINTR else {
            throw SystemError("wait for events")
        }
        return descriptors[1].revents == 0
    }
}
