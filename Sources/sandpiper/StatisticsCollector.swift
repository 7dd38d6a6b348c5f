import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// Asks supervisors what their sandboxes use, all at the same time: one that does not answer delays no other.
struct StatisticsCollector {
    /// What a sandbox used at one moment.
    struct Sample {
        /// Reading of the monotonic clock in nanoseconds when it arrived.
        let time: UInt64
        let statistics: SandboxStatistics
    }

    /// A sandbox that is asked.
    struct Source {
        let entry: SandboxEntry
        fileprivate let connection: ControlConnection
        fileprivate var isAwaited = false
        /// The sample before the latest.
        fileprivate(set) var previous: Sample?
        fileprivate(set) var latest: Sample?

        /// Processor time of the engine between the two samples, in percent of one processor of the host.
        var processorPercent: Double? {
            guard let previous, let latest else { return nil }
            return StatisticsCollector.percent(previous, latest)
        }
    }

    /// The sandboxes, in the order in which they were found.
    private(set) var sources: [Source] = []
    private var lastRequest: UInt32 = 0

    /// Adds a sandbox.
    /// - Throws: ``ControlError`` when it does not run.
    mutating func add(_ entry: SandboxEntry) throws {
        guard !sources.contains(where: { $0.entry.record.id == entry.record.id }) else { return }
        sources.append(Source(entry: entry, connection: try ControlConnection(to: entry.directory)))
    }

    /// Asks all that have answered the last time.
    mutating func ask() throws {
        lastRequest &+= 1
        for index in sources.indices where !sources[index].isAwaited {
            try sources[index].connection.send(.request(lastRequest, .statistics))
            sources[index].isAwaited = true
        }
    }

    /// Takes answers until the monotonic clock reads `deadline`, or a signal comes.
    /// - Parameter returnsEarly: whether to return when all have answered.
    /// - Returns: `false` when a signal came.
    mutating func collect(until deadline: UInt64, returnsEarly: Bool, _ signals: SignalDescriptor) throws -> Bool {
        while true {
            if returnsEarly, !sources.contains(where: \.isAwaited) { return true }
            let now = HostClock.monotonic
            guard now < deadline else { return true }
            var descriptors = sources.map {
                pollfd(fd: $0.connection.socket.rawValue, events: Int16(POLLIN), revents: 0)
            }
            descriptors.append(pollfd(fd: signals.descriptor.rawValue, events: Int16(POLLIN), revents: 0))
            let timeout = Int32(clamping: (deadline - now) / 1_000_000 + 1)
            guard poll(&descriptors, nfds_t(descriptors.count), timeout) >= 0 || errno == EINTR else {
                throw SystemError("wait for statistics")
            }
            if descriptors.last?.revents != 0 { return false }
            // From the last, since one that has ended leaves the list.
            for index in sources.indices.reversed() where descriptors[index].revents != 0 { receive(index) }
        }
    }

    private mutating func receive(_ index: Int) {
        guard let messages = try? sources[index].connection.receive() else {
            sources.remove(at: index)
            return
        }
        for case .reply(_, let reply) in messages {
            sources[index].isAwaited = false
            guard case .statistics(let statistics) = reply else { continue }
            sources[index].previous = sources[index].latest
            sources[index].latest = Sample(time: HostClock.monotonic, statistics: statistics)
        }
    }

    /// Processor time between two samples, in percent of one processor; `nil` when the clocks went back, as with another
    /// engine.
    static func percent(_ previous: Sample, _ latest: Sample) -> Double? {
        let before = previous.statistics.hostProcessorMicroseconds
        let after = latest.statistics.hostProcessorMicroseconds
        guard after >= before, latest.time > previous.time else { return nil }
        return Double(after - before) * 1000 / Double(latest.time - previous.time) * 100
    }
}
