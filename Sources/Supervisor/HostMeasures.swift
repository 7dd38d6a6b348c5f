import AgentProtocol
import Control
import Glibc
import LinuxSystem
import SandboxState

/// What a sandbox takes of the host.
struct HostMeasures {
    private let directory: SandboxDirectory

    /// Measures the sandbox with these files.
    init(_ directory: SandboxDirectory) { self.directory = directory }

    /// The host's figures now, with the guest's.
    func with(_ guest: GuestMeasures) -> SandboxStatistics {
        let pid = (try? RecordFile.read(EngineRecord.self, from: directory.engine))?.pid
        return SandboxStatistics(
            hostProcessorMicroseconds: pid.map(Self.processorMicroseconds) ?? 0,
            hostMemory: pid.map(Self.memory) ?? 0, hostDisk: UInt64(clamping: directory.diskUsage),
            guestProcessorMicroseconds: guest.processorMicroseconds, guestMemory: guest.memory,
            guestMemoryTotal: guest.memoryTotal, guestDisk: guest.disk, guestDiskTotal: guest.diskTotal,
            guestProcesses: guest.processes)
    }

    /// User and system time from `/proc/PID/stat`, fields 14 and 15; see proc(5).
    private static func processorMicroseconds(_ pid: Int32) -> UInt64 {
        let text = String(decoding: (try? FileTree.read("/proc/\(pid)/stat", limit: 4096)) ?? [], as: UTF8.self)
        // The name in parentheses may hold anything.
        guard let name = text.lastIndex(of: ")") else { return 0 }
        let fields = text[name...].split(separator: " ")
        guard fields.count > 13, let user = UInt64(fields[12]), let system = UInt64(fields[13]) else { return 0 }
        return (user &+ system) &* 1_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// The proportional set size from `/proc/PID/smaps_rollup`, or else the resident set.
    private static func memory(_ pid: Int32) -> UInt64 {
        for (file, name) in [("smaps_rollup", "Pss:"), ("status", "VmRSS:")] {
            let text = String(
                decoding: (try? FileTree.read("/proc/\(pid)/\(file)", limit: 65_536)) ?? [], as: UTF8.self)
            for line in text.split(separator: "\n") where line.hasPrefix(name) {
                let words = line.split(separator: " ", omittingEmptySubsequences: true)
                if words.count > 1, let kibibytes = UInt64(words[1]) { return kibibytes &* 1024 }
            }
        }
        return 0
    }
}
