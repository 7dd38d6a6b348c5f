import AgentProtocol
import Glibc

/// What the kernel counts of the sandbox's processes, memory and disk.
enum Measurement {
    /// Reads all counters; one that cannot be read is zero.
    static func take() -> GuestMeasures {
        var measures = GuestMeasures()
        let group = "/sys/fs/cgroup/sandbox"
        measures.processorMicroseconds = field("usage_usec", of: "\(group)/cpu.stat") ?? 0
        measures.processes = KernelFile.text("\(group)/pids.current").flatMap { UInt64($0) } ?? 0
        measures.memoryTotal = kibibytes("MemTotal:")
        let available = kibibytes("MemAvailable:")
        measures.memory = measures.memoryTotal > available ? measures.memoryTotal - available : 0
        // The sandbox's root is an overlay, whose file system is the writable disk.
        var status = statvfs()
        if statvfs("/", &status) == 0 {
            let unit = UInt64(status.f_frsize)
            measures.diskTotal = UInt64(status.f_blocks).multipliedReportingOverflow(by: unit).partialValue
            let free = UInt64(status.f_bfree).multipliedReportingOverflow(by: unit).partialValue
            measures.disk = measures.diskTotal > free ? measures.diskTotal - free : 0
        }
        return measures
    }

    private static func kibibytes(_ name: String) -> UInt64 { (field(name, of: "/proc/meminfo") ?? 0) &* 1024 }

    /// The number after a name, in a file of one name a line.
    private static func field(_ name: String, of path: String) -> UInt64? {
        for line in (KernelFile.text(path) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count > 1, words[0] == name { return UInt64(words[1]) }
        }
        return nil
    }
}
