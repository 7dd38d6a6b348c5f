import Control
import Glibc
import LinuxSystem
import SandboxState

extension SandboxDirectory {
    /// Makes a snapshot of a sandbox that has no owner: of its disk, and of its frozen machine when it is paused.
    /// - Throws: `StateError`.
    public func snapshotAtRest(_ request: SnapshotRequest) throws -> SnapshotRecord {
        guard let id = SandboxID(request.id) else { throw StateError.noSuchSnapshot(request.id) }
        let lock = try claim()
        defer {
            release()
            withExtendedLifetime(lock) {}
        }
        let snapshot = SnapshotDirectory(id, in: home)
        let disk = snapshot.work + "/" + SnapshotDirectory.diskName
        let hasMemory = !request.diskOnly && FileTree.exists(frozen)
        do {
            let sandbox = try RecordFile.read(SandboxRecord.self, from: record)
            if request.isTemporary { try sandbox.checkFork() }
            try snapshot.begin(self.id, isTemporary: request.isTemporary)
            guard FileTree.exists(upperDisk) else {
                throw StateError.inaccessible(path: upperDisk, reason: "the sandbox has no disk yet; start it first")
            }
            try FileTree.copyFile(upperDisk, to: disk)
            snapshot.shareDisk(of: self.id)
            try Descriptor(opening: disk, O_RDWR).synchronize()
            if hasMemory {
                try FileTree.copyTree(jobs, to: snapshot.work + "/" + SnapshotDirectory.jobsName)
                try FileTree.linkTree(frozen, to: snapshot.work + "/" + SnapshotDirectory.machineName)
            }
            let record = SnapshotRecord(
                id: request.id, name: request.name, created: Int64(time(nil)),
                sandbox: sandbox, hasMemory: hasMemory, pause: 0)
            try snapshot.publish(record, durable: true)
            return record
        } catch {
            try? FileTree.removeTree(snapshot.work)
            throw error
        }
    }
}
