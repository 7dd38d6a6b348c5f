import DiskImage
import Engine
import Glibc
import ImageStore
import LinuxSystem
import NIOPosix
import SandboxState
import Template

extension Supervisor {
    /// A machine that runs, and what it must be told of.
    struct StartedMachine {
        let machine: any Machine
        /// Whether its writable disk is a copy of its template's.
        let diskIsFresh: Bool
    }

    /// Gathers what the machine is made of and starts it; tells clients of the engine when it is an emulated one.
    func startMachine() async throws -> StartedMachine {
        // Opening, cloning and probing block; they get a thread that may.
        let (engine, image) = try await NIOThreadPool.singleton.runIfActive { try prepare() }
        if let notice = engine.notice, try isNews(notice) { await session.tell(.notice(notice)) }
        let template = try await TemplateStore(home: home.path).template(
            for: TemplateSpecification(
                cpus: record.limits.cpus, memory: record.limits.memory, kernel: record.kernel,
                initramfs: record.initramfs),
            on: engine)
        await mark("template found")
        let upper = try await NIOThreadPool.singleton.runIfActive { try writableDisk(template) }
        await mark("disks ready")
        let machine = try await QEMUMachine.start(
            template.fork(image: image, upper: upper, diskLimit: record.limits.disk, userNumber: userNumber), on: engine
        )
        let description = machine.description
        var engineRecord = EngineRecord(
            engine: description.engine, accelerator: description.accelerator.rawValue, reason: engine.notice,
            binary: description.binary, pid: description.pid, walls: description.walls.standing.map(\.rawValue),
            missingWalls: description.walls.gaps.map { "\($0.wall.rawValue): \($0.reason)" })
        engineRecord.missingLimits = HostLimits(record.limits, directory).hold(description.pid)
        engineRecord.memory = template.memory
        engineRecord.template = template.name
        do { try RecordFile.write(engineRecord, to: directory.engine) } catch {
            machine.kill()
            throw error
        }
        if case .fresh = upper { return StartedMachine(machine: machine, diskIsFresh: true) }
        return StartedMachine(machine: machine, diskIsFresh: false)
    }

    private func prepare() throws -> (EngineFinder.Engine, [MachineSpecification.Disk.Extent]) {
        try FileTree.makeDirectory(home.cache)
        let engine = try EngineFinder(cacheDirectory: home.cache).find(requireKVM: record.requireKVM)
        let image = try ImageStore(home: home.path).resolve(record.imageDigest).openDisk()
        return (engine, image.map { .init(file: $0.file, length: $0.length) })
    }

    /// The sandbox's writable disk, made when there is none.
    private func writableDisk(_ template: Template) throws -> MachineLayout.Upper {
        var isFresh = false
        if !FileTree.exists(directory.upperDisk) {
            // By rename, so that what a crash leaves of a copy is not taken for a disk.
            let temporary = directory.upperDisk + ".new"
            try FileTree.removeFile(temporary)
            isFresh = record.limits.disk == MachineLayout.freshDiskSize
            if isFresh {
                try UpperDisk.clone(from: template.freshDisk, to: temporary)
            } else {
                try UpperDiskCache(home).clone(size: record.limits.disk, to: temporary)
            }
            try FileTree.rename(temporary, to: directory.upperDisk)
        }
        let file = try Descriptor(opening: directory.upperDisk, O_RDWR)
        return isFresh ? .fresh(file) : .used(file)
    }

    /// Whether this line was not told since the host booted.
    private func isNews(_ notice: String) throws -> Bool {
        let path = home.cache + "/engine-notice"
        let told = try FileTree.read("/proc/sys/kernel/random/boot_id", limit: 64) + Array(notice.utf8)
        if let known = try? FileTree.read(path, limit: 4096), known == told { return false }
        try FileTree.writeAtomically(told, to: path)
        return true
    }

    /// 24 bits of the sandbox's id: its engine's user on a host where root starts it.
    private var userNumber: UInt32 {
        record.id.utf8.reduce(0) { number, byte in (number &* 31 &+ UInt32(byte)) & 0xff_ffff }
    }
}

/// Formatted writable disks, one for each size that was asked for: formatting costs more than cloning.
private struct UpperDiskCache {
    private let directory: String

    init(_ home: Home) { directory = home.cache + "/upper" }

    /// Makes a file system of `size` bytes at `path`.
    func clone(size: Int64, to path: String) throws {
        let formatted = "\(directory)/\(size).ext4"
        if !FileTree.exists(formatted) { try format(size, to: formatted) }
        try UpperDisk.clone(from: formatted, to: path)
    }

    private func format(_ size: Int64, to path: String) throws {
        try FileTree.makeDirectory(directory)
        let lock = try FileLock.wait(directory + "/lock")
        defer { withExtendedLifetime(lock) {} }
        if FileTree.exists(path) { return }
        let temporary = directory + "/new"
        try FileTree.removeFile(temporary)
        try UpperDisk.format(path: temporary, size: size)
        // Every later sandbox's disk is a copy of it, and after a power cut nobody would look whether it is whole.
        try Descriptor(opening: temporary, O_RDWR).synchronize()
        try FileTree.rename(temporary, to: path)
    }
}
