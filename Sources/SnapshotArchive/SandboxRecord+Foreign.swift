import ForeignText
import OCI
import SandboxState

extension SandboxRecord {
    /// Why a sandbox of this record, which comes from elsewhere, cannot be one here; `nil` when it can.
    var foreignProblem: String? {
        if SandboxID(id) == nil { return "its sandbox's id is none" }
        if let name, SandboxName(name) == nil { return "its sandbox's name is none" }
        if (try? Digest(imageDigest)) == nil { return "the digest of its image is none" }
        if !Self.isText(image, most: 4096) { return "the name of its image is none" }
        if !(0...1 << 40).contains(created) { return "the time of its sandbox's making is none" }
        if labels.count > 1000 || !labels.allSatisfy({ Self.isText($0.key, most: 4096) && Self.isText($0.value) }) {
            return "a label of its sandbox is none"
        }
        if case .onFailure(let most) = restart, most < 1 { return "its sandbox's restart policy is none" }
        return limits.foreignProblem ?? defaults.foreignProblem ?? main?.foreignProblem ?? mountsProblem
    }

    private var mountsProblem: String? {
        for path in scratch where !Self.isPath(path) || path == "/" || path.split(separator: "/").contains("..") {
            return "a scratch directory of its sandbox is none"
        }
        guard scratch.count <= SandboxMount.mostMounts else { return "its sandbox has too many scratch directories" }
        for mount in mounts {
            if mount.isServed {
                let kind = mount.type == .volume ? "a volume" : "files of its host"
                return "its sandbox has \(kind) mounted at \(mount.target.excerpt(100)), which no archive can carry"
            }
            let remade = try? SandboxMount.memory(
                at: mount.target, size: mount.size, mode: mount.mode ?? 0o1777, readOnly: mount.readOnly)
            guard remade == mount else { return "a mount of its sandbox is none" }
        }
        do { try SandboxMount.check(mounts, scratch: scratch) } catch { return "\(error)".excerpt(300) }
        return nil
    }

    /// Whether it is text that a process can be given.
    fileprivate static func isText(_ text: String, most: Int = 1 << 17) -> Bool {
        text.utf8.count <= most && !text.utf8.contains(0)
    }

    fileprivate static func isPath(_ text: String) -> Bool { text.hasPrefix("/") && isText(text, most: 4095) }

    fileprivate static func isEnvironment(_ variables: [String]) -> Bool {
        variables.count <= 10_000
            && variables.allSatisfy { isText($0) && !$0.hasPrefix("=") && $0.utf8.contains(UInt8(ascii: "=")) }
    }
}

extension SandboxLimits {
    fileprivate var foreignProblem: String? {
        let mebibyte: Int64 = 1 << 20
        if !(1...64).contains(cpus) { return "its sandbox has \(cpus) processors" }
        if !(64 * mebibyte...mebibyte * mebibyte).contains(memory) {
            return "its sandbox has \(memory) bytes of memory"
        }
        if !(64 * mebibyte...8 * mebibyte * mebibyte).contains(disk) {
            return "its sandbox has a disk of \(disk) bytes"
        }
        if let cpuPercent, !(1...6400).contains(cpuPercent) { return "its sandbox's share of processors is none" }
        for number in [maximumDuration, idleTimeout, diskRate] {
            if let number, !(1...1 << 50).contains(number) { return "a limit of its sandbox is none" }
        }
        return nil
    }
}

extension ProcessDefaults {
    fileprivate var foreignProblem: String? {
        guard SandboxRecord.isEnvironment(environment),
            workingDirectory.isEmpty || SandboxRecord.isPath(workingDirectory),
            SandboxRecord.isText(user, most: 256)
        else { return "what processes of its sandbox start from makes no sense" }
        return nil
    }
}

extension JobSpecification {
    fileprivate var foreignProblem: String? {
        guard !arguments.isEmpty, arguments.count <= 10_000, arguments.allSatisfy({ SandboxRecord.isText($0) }),
            SandboxRecord.isEnvironment(environment),
            workingDirectory.isEmpty || SandboxRecord.isPath(workingDirectory),
            SandboxRecord.isText(user, most: 256)
        else { return "the main process of its sandbox makes no sense" }
        return nil
    }
}

extension JobRecord {
    /// Whether it can be the record of the job of this number.
    func isSound(as number: Int) -> Bool {
        let times = [started, ended ?? 0]
        return self.number == number && !command.isEmpty && command.count <= 10_000
            && command.allSatisfy { SandboxRecord.isText($0) } && times.allSatisfy { (0...1 << 40).contains($0) }
            && exitStatus.map { (0...255).contains($0) } != false
            && reason.map { SandboxRecord.isText($0, most: 4096) } != false
    }
}
