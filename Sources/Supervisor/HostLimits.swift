import LinuxSystem
import SandboxState

/// The limits of a sandbox that are the host's to hold: its share of the processors and of the disk.
struct HostLimits {
    private let limits: SandboxLimits
    private let directory: SandboxDirectory

    /// The limits of the sandbox with these files.
    init(_ limits: SandboxLimits, _ directory: SandboxDirectory) {
        self.limits = limits
        self.directory = directory
    }

    private var areAsked: Bool { limits.cpuPercent != nil || limits.diskRate != nil }

    /// Puts them on the engine; a sandbox starts without those that the host cannot hold.
    /// - Returns: those that do not hold, each with the reason.
    func hold(_ pid: Int32) -> [String] {
        guard areAsked else { return [] }
        var missing: [String] = []
        func attempt(_ what: String, _ body: () throws -> Void) {
            do { try body() } catch { missing.append("\(what): \(error)") }
        }
        do {
            let group = try HostControlGroup("\(directory.id)")
            if let percent = limits.cpuPercent { attempt("cpu") { try group.limitProcessor(percent: percent) } }
            if let rate = limits.diskRate {
                attempt("disk rate") { try group.limitDisk(bytesPerSecond: rate, of: directory.upperDisk) }
            }
            attempt("all") { try group.add(pid) }
        } catch {
            if limits.cpuPercent != nil { missing.append("cpu: \(error)") }
            if limits.diskRate != nil { missing.append("disk rate: \(error)") }
        }
        return missing
    }

    /// Removes the control group of an engine that has ended.
    func release() {
        if areAsked { try? HostControlGroup("\(directory.id)").remove() }
    }
}
