import DiskImage
import Engine
import FrozenMachine
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
        /// What stays the same when it is frozen; it also tells whether its writable disk is a copy of its template's.
        let kind: FrozenMachineWriter.Kind
        /// Its network, if it has one.
        var network: MachineNetwork?
        /// What an earlier supervisor knew of it, when it goes on from a frozen machine; `nil` for a new one.
        var frozen: FrozenSession?

        /// Ends the machine, and what carries its network.
        func end() async {
            machine.kill()
            await network?.gateway.stop()
        }
    }

    /// Gathers what the machine is made of and starts it; tells clients of the engine when it is an emulated one.
    func startMachine(_ mounts: MountServers) async throws -> StartedMachine {
        // Opening, cloning and probing block; they get a thread that may.
        let (engine, image) = try await NIOThreadPool.singleton.runIfActive { try prepare() }
        if let notice = engine.notice, try isNews(notice) { await session.tell(.notice(notice)) }
        if FileTree.exists(directory.frozen) { return try await startFrozenMachine(engine, image, mounts) }
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
        do {
            try noteEngine(machine, engine, memory: template.memory, template: template.name)
            return StartedMachine(
                machine: machine,
                kind: .init(cpus: template.cpus, fingerprint: template.fingerprint, diskIsFresh: upper.isFresh),
                network: try await startNetwork(machine))
        } catch {
            machine.kill()
            throw error
        }
    }

    /// Lets the sandbox's frozen machine go on. Until it does nothing is lost: what fails before leaves it as it was.
    private func startFrozenMachine(
        _ engine: EngineFinder.Engine, _ image: [MachineSpecification.Disk.Extent], _ mounts: MountServers
    ) async throws -> StartedMachine {
        let (directory, record, userNumber) = (directory, record, userNumber)
        let (frozen, specification, session) = try await Self.onThread {
            let frozen = try FrozenMachine(in: directory.frozen)
            if let reason = try frozen.mismatch(with: engine) { throw SupervisorError.cannotGoOn(reason) }
            let session = try FrozenSession(in: directory.frozen)
            let specification = try frozen.machine(
                image: image, disk: try Descriptor(opening: directory.upperDisk, O_RDWR),
                diskLimit: record.limits.disk, userNumber: userNumber, flat: directory.frozen + "/flat")
            return (frozen, specification, session)
        }
        await mark("frozen machine read")
        let machine = try await QEMUMachine.start(specification, on: engine)
        var network: MachineNetwork?
        do {
            try noteEngine(machine, engine, memory: frozen.manifest.memory, template: nil)
            // Who calls before the machine goes on would be taken for a caller of before.
            network = try await startNetwork(machine, admitsCallers: false)
            // It answers: now it takes the place of the frozen one, since its disk is about to change.
            try await machine.pause()
            try await Self.onThread {
                try mounts.waitUntilReady()
                try FileTree.removeTree(directory.origin)
                try FileTree.rename(directory.frozen, to: directory.origin)
                // After a power cut an old memory must not meet a disk that has changed since. A new sandbox is brought to
                // the disk before it is announced.
                if !session.isNew { try FileTree.synchronizeDirectory(of: directory.origin) }
            }
            try await machine.resume()
        } catch {
            machine.kill()
            await network?.gateway.stop()
            throw error
        }
        let kind = FrozenMachineWriter.Kind(
            cpus: frozen.manifest.cpus, fingerprint: frozen.manifest.fingerprint,
            diskIsFresh: frozen.manifest.diskIsFresh)
        return StartedMachine(machine: machine, kind: kind, network: network, frozen: session)
    }

    private func noteEngine(
        _ machine: QEMUMachine, _ engine: EngineFinder.Engine, memory: Int64, template: String?
    ) throws {
        let description = machine.description
        var engineRecord = EngineRecord(
            engine: description.engine, accelerator: description.accelerator.rawValue, reason: engine.notice,
            binary: description.binary, pid: description.pid, walls: description.walls.standing.map(\.rawValue),
            missingWalls: description.walls.gaps.map { "\($0.wall.rawValue): \($0.reason)" })
        engineRecord.missingLimits = HostLimits(record.limits, directory).hold(description.pid)
        engineRecord.memory = memory
        engineRecord.template = template
        try RecordFile.write(engineRecord, to: directory.engine)
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
