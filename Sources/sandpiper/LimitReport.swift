import LinuxSystem
import SandboxState

/// Whether a limit of a sandbox holds at this moment, and why not.
struct LimitReport: Encodable, Equatable {
    let limit: String
    /// In the unit of the option that sets it: CPUs, bytes, processes, milliseconds, percent, bytes a second.
    let value: Int64
    let holds: Bool
    /// Who sees to it.
    let by: String?
    /// Why it does not hold.
    let reason: String?

    private init(_ limit: String, _ value: Int64, by: String, unless reason: String?) {
        self.limit = limit
        self.value = value
        holds = reason == nil
        self.by = reason == nil ? by : nil
        self.reason = reason
    }

    /// Every limit that a sandbox has.
    /// - Parameters:
    ///   - engine: the engine under it, while it runs.
    ///   - group: the control group of the host that a process is in, and its settings.
    static func all(
        _ limits: SandboxLimits, _ life: SandboxLife, engine: EngineRecord?,
        group: (_ pid: Int32, _ setting: String) -> String? = hostGroup
    ) -> [LimitReport] {
        let rest: String? = life.status == .running ? nil : "the sandbox is not running"
        var reports = [
            LimitReport("cpus", Int64(limits.cpus), by: "the machine", unless: rest),
            LimitReport("memory", limits.memory, by: "the machine", unless: rest),
            LimitReport("disk", limits.disk, by: "the size of the disk that the machine is given", unless: rest),
        ]
        if limits.processes > 0 {
            reports.append(
                LimitReport(
                    "processes", Int64(limits.processes), by: "a control group of the guest", unless: rest))
        }
        if let time = limits.maximumDuration {
            reports.append(LimitReport("maximumDuration", time, by: "the supervisor", unless: rest))
        }
        if let time = limits.idleTimeout {
            reports.append(LimitReport("idleTimeout", time, by: "the supervisor", unless: rest))
        }
        let missing = "the engine is in no control group of the host with such a limit"
        if let percent = limits.cpuPercent {
            let quota = engine.flatMap { group($0.pid, "cpu.max") }
            let holds = quota.flatMap(Self.percent).map { $0 <= Double(percent) + 0.5 } ?? false
            reports.append(
                LimitReport(
                    "cpuPercent", Int64(percent), by: "a control group of the host",
                    unless: rest ?? (holds ? nil : missing)))
        }
        if let rate = limits.diskRate {
            let rates = engine.flatMap { group($0.pid, "io.max") } ?? ""
            let holds = ["rbps=", "wbps="].allSatisfy { key in
                rates.split(whereSeparator: \.isWhitespace).contains { word in
                    word.hasPrefix(key) && Int64(word.dropFirst(key.count)).map { $0 <= rate } == true
                }
            }
            reports.append(
                LimitReport(
                    "diskRate", rate, by: "a control group of the host", unless: rest ?? (holds ? nil : missing)))
        }
        return reports
    }

    /// The share of one processor that `cpu.max` grants (`QUOTA PERIOD` in microseconds), in percent; `nil` for `max`.
    private static func percent(_ quota: String) -> Double? {
        let words = quota.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let time = Double(words[0]), let period = Double(words[1]), period > 0 else {
            return nil
        }
        return time / period * 100
    }

    /// A setting of the version 2 control group that a process is in; `nil` when there is none.
    private static func hostGroup(_ pid: Int32, _ setting: String) -> String? {
        func text(_ path: String) -> String? {
            (try? FileTree.read(path, limit: 65_536)).map { String(decoding: $0, as: UTF8.self) }
        }
        let line = text("/proc/\(pid)/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::/") }
        guard let line else { return nil }
        return text("/sys/fs/cgroup\(line.dropFirst(3))/\(setting)")
    }
}
