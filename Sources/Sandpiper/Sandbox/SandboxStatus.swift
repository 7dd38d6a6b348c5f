import Control
import SandboxState

extension Sandbox {
    /// The stations of a sandbox's life.
    public enum Status: String, Sendable, CaseIterable {
        /// It has files and never had a machine.
        case created
        /// Its machine is coming up.
        case starting
        /// Processes can be started.
        case running
        /// Its processes are being ended and its disk written.
        case stopping
        /// It is frozen; ``Sandbox/resume()`` lets it go on.
        case paused
        /// It was told to stop; it can be started again.
        case stopped
        /// Its machine or its supervisor ended unasked; it can be started again.
        case crashed

        init(_ status: SandboxLife.Status) {
            self =
                switch status {
                case .created: .created
                case .starting: .starting
                case .running: .running
                case .stopping: .stopping
                case .paused: .paused
                case .stopped: .stopped
                case .crashed: .crashed
                }
        }
    }

    /// Where a sandbox is in its life.
    public struct State: Sendable, Equatable {
        /// Where it is.
        public var status: Status
        /// Why, when it did not come there by being told to: one line.
        public var reason: String?
        /// When its machine was ready, in seconds since 1970-01-01 00:00 UTC.
        public var started: Int64?
        /// When its machine ended, in seconds since 1970-01-01 00:00 UTC.
        public var ended: Int64?
        /// How often it was started again by itself.
        public var restarts: Int

        init(_ life: SandboxLife) {
            status = Status(life.status)
            reason = life.reason
            started = life.started
            ended = life.ended
            restarts = life.restarts
        }
    }

    /// What a sandbox uses at one moment.
    public struct Statistics: Sendable, Equatable {
        /// Processor time that its machine took on the host.
        public var hostProcessorTime: Duration
        /// Memory of the host that its machine takes, in bytes; what it shares with other machines counts in part.
        public var hostMemory: UInt64
        /// Disk that its files take on the host, in bytes.
        public var hostDisk: UInt64
        /// Processor time of all its processes.
        public var processorTime: Duration
        /// Memory in use in it, in bytes.
        public var memory: UInt64
        /// Memory it has, in bytes.
        public var memoryTotal: UInt64
        /// Bytes in use on its writable disk.
        public var disk: UInt64
        /// Bytes that its writable disk can hold.
        public var diskTotal: UInt64
        /// Its processes and threads.
        public var processes: UInt64

        init(_ measured: SandboxStatistics) {
            hostProcessorTime = .microseconds(measured.hostProcessorMicroseconds)
            hostMemory = measured.hostMemory
            hostDisk = measured.hostDisk
            processorTime = .microseconds(measured.guestProcessorMicroseconds)
            memory = measured.guestMemory
            memoryTotal = measured.guestMemoryTotal
            disk = measured.guestDisk
            diskTotal = measured.guestDiskTotal
            processes = measured.guestProcesses
        }
    }
}
