import ArgumentParser
import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `sandpiper stats`: what running sandboxes use.
struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what sandboxes use, each second, until interrupted.",
        discussion: """
            CPU is the engine's time in percent of one processor of the host. MEMORY is what the engine takes of the \
            host's, GUEST MEMORY what is in use in the machine of what it has; DISK is what the files take on the host.
            """)

    @Flag(help: "Print once, and end.") var noStream = false
    @Flag(help: "Print JSON: an array with --no-stream, else an object a line.") var json = false
    @Argument(help: "Names or ids of sandboxes; all that run when there are none.") var sandboxes: [String] = []

    /// From one sample to the next, in nanoseconds.
    private static let interval: UInt64 = 1_000_000_000
    /// How long the only answer is waited for.
    private static let patience: UInt64 = 10_000_000_000

    /// A sandbox in the JSON.
    private struct Line: Encodable {
        let id: String
        let name: String?
        let processorPercent: Double?
        let statistics: SandboxStatistics
    }

    func run() throws {
        let signals = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP])
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        var collector = StatisticsCollector()
        try find(&collector, in: home, isFirst: true)
        try collector.ask()
        guard try collector.collect(until: HostClock.monotonic + Self.interval, returnsEarly: false, signals) else {
            return
        }
        let output = try Descriptor(duplicating: 1)
        while true {
            let now = HostClock.monotonic
            try collector.ask()
            let patience = noStream ? Self.patience : Self.interval
            guard try collector.collect(until: now + patience, returnsEarly: true, signals) else { return }
            do { try print(collector.sources, to: output) } catch let error as SystemError where error.number == EPIPE {
                throw ExitStatusError(code: 128 + SIGPIPE)
            }
            if noStream { return }
            guard try collector.collect(until: now + Self.interval, returnsEarly: false, signals) else { return }
            try find(&collector, in: home, isFirst: false)
        }
    }

    /// Adds the sandboxes that are meant, or have come to run meanwhile.
    private func find(_ collector: inout StatisticsCollector, in home: Home, isFirst: Bool) throws {
        if !sandboxes.isEmpty {
            guard isFirst else { return }
            for name in sandboxes { try collector.add(SandboxEntry(SandboxDirectory.find(name, in: home))) }
            return
        }
        for entry in try SandboxEntry.all(in: home) where entry.life.status == .running {
            do { try collector.add(entry) } catch is ControlError {
                // It has ended since.
            }
        }
    }

    private func print(_ sources: [StatisticsCollector.Source], to output: Descriptor) throws {
        if json { return try output.write(try Self.json(sources, asArray: noStream)) }
        var table = Table("ID", "NAME", "CPU", "MEMORY", "GUEST MEMORY", "DISK", "PROCESSES")
        for source in sources {
            let (id, name) = (source.entry.shortID, source.entry.name)
            guard let now = source.latest?.statistics else {
                table.add(id, name, "-", "-", "-", "-", "-")
                continue
            }
            table.add(
                id, name, source.processorPercent.map(Self.percent) ?? "-", Self.size(now.hostMemory),
                "\(Self.size(now.guestMemory)) / \(Self.size(now.guestMemoryTotal))", Self.size(now.hostDisk),
                "\(now.guestProcesses)")
        }
        // On a terminal each table takes the place of the one before.
        let clear = output.isTerminal && !noStream ? "\u{1B}[H\u{1B}[J" : ""
        try output.write(Array("\(clear)\(table)\n".utf8))
    }

    private static func size(_ bytes: UInt64) -> String { humanSize(Int64(clamping: bytes)) }

    /// A percentage with one decimal.
    static func percent(_ value: Double) -> String {
        let tenths = Int64(exactly: (value * 10).rounded()) ?? 0
        return "\(tenths / 10).\(tenths % 10)%"
    }

    private static func json(_ sources: [StatisticsCollector.Source], asArray: Bool) throws -> [UInt8] {
        let lines = sources.compactMap { source in
            source.latest.map { latest in
                Line(
                    id: source.entry.record.id, name: source.entry.record.name,
                    processorPercent: source.processorPercent, statistics: latest.statistics)
            }
        }
        if asArray { return try RecordFile.encode(lines) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try lines.flatMap { Array(try encoder.encode($0)) + [UInt8(ascii: "\n")] }
    }
}
