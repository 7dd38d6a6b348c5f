import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// One sandbox in a list: what it was asked to be, and where it is in its life.
struct SandboxEntry {
    let directory: SandboxDirectory
    let record: SandboxRecord
    let life: SandboxLife

    /// The sandbox with these files.
    init(_ directory: SandboxDirectory) throws {
        self.directory = directory
        record = try RecordFile.read(SandboxRecord.self, from: directory.record)
        life = directory.currentLife()
    }

    /// A sandbox that is not on this disk.
    init(_ directory: SandboxDirectory, _ record: SandboxRecord, _ life: SandboxLife) {
        self.directory = directory
        self.record = record
        self.life = life
    }

    /// All sandboxes of a home, the newest first, after what killed supervisors left is put right. Of one whose record
    /// cannot be read, a line on stderr tells.
    static func all(in home: Home) throws -> [SandboxEntry] {
        SandboxDirectory.sweepAll(home)
        var entries: [SandboxEntry] = []
        for id in try SandboxDirectory.all(in: home) {
            let directory = SandboxDirectory(id, in: home)
            do { entries.append(try SandboxEntry(directory)) } catch {
                // What vanishes meanwhile belongs to a sandbox that ended.
                if FileTree.exists(directory.record) { complain("\(error)") }
            }
        }
        return entries.sorted { ($1.record.created, $0.record.id) < ($0.record.created, $1.record.id) }
    }

    /// The start of the id, long enough to name the sandbox.
    var shortID: String { String(record.id.prefix(12)).excerpt() }

    /// The name, or what stands for none.
    var name: String { record.name?.excerpt() ?? "-" }
}

extension SandboxLife {
    /// Where the sandbox is in its life, for a table: `running 3 minutes`, `stopped (0) 2 hours ago`, `crashed: …`.
    /// - Parameter now: seconds since 1970.
    func summary(now: Int64) -> String {
        func age(_ time: Int64?) -> String? { time.map { humanDuration(now &- $0) } }
        switch status {
        case .created, .starting, .stopping, .paused: return status.rawValue
        case .running: return ["running", age(started)].compactMap(\.self).joined(separator: " ")
        case .stopped:
            let exit = exitStatus.map { "(\($0))" }
            return ["stopped", exit, age(ended).map { $0 + " ago" }].compactMap(\.self).joined(separator: " ")
        case .crashed: return "crashed" + (reason.map { ": " + $0.excerpt(60) } ?? "")
        }
    }
}
