import Glibc
import LinuxSystem

/// Looks at everything that machines need of the host.
public struct Inspection: Sendable {
    private let cacheDirectory: String
    private let storage: String
    private let files: [(name: String, path: String, cure: String)]

    /// An inspection.
    /// - Parameters:
    ///   - cacheDirectory: where ``EngineFinder`` keeps what it found out.
    ///   - storage: an existing directory on the file system that holds the images and sandboxes.
    ///   - files: files that must be there, each with what makes it.
    public init(cacheDirectory: String, storage: String, files: [(name: String, path: String, cure: String)]) {
        self.cacheDirectory = cacheDirectory
        self.storage = storage
        self.files = files
    }

    /// All prerequisites, the gravest first within each kind. Starts the engine's program once, to see its version and
    /// its walls. Blocks the calling thread for about a tenth of a second.
    public func run() -> [Prerequisite] {
        var found: [Prerequisite] = []
        let kvm = KVMProbe(cacheDirectory: cacheDirectory).state()
        found.append(Prerequisite("KVM", kvm == .works ? .good : .lacking, "\(kvm)", cure: kvm.cure))
        do {
            let engine = try EngineFinder(cacheDirectory: cacheDirectory).find()
            found += inspect(engine)
        } catch {
            found.append(Prerequisite("engine", .missing, "\(error)", cure: "sudo apt-get install qemu-system-x86"))
        }
        found += files.map(Self.inspect)
        found += [memory(), space()].compactMap { $0 }
        return found
    }

    private func inspect(_ engine: EngineFinder.Engine) -> [Prerequisite] {
        do {
            let (version, walls) = try Self.version(engine)
            var found = [Prerequisite("engine", .good, "\(engine.binary), \(version), \(engine.accelerator.rawValue)")]
            found.append(Prerequisite("firmware", .good, engine.firmware))
            found += walls.standing.map { Prerequisite("wall: \($0.rawValue)", .good, Self.detail($0)) }
            found += walls.gaps.map {
                Prerequisite("wall: \($0.wall.rawValue)", .lacking, $0.reason, cure: Self.cure($0.wall))
            }
            return found
        } catch {
            let cure = "see the kernel's log; seccomp and close_range need Linux 5.9 or newer"
            return [Prerequisite("engine", .missing, "\(error)", cure: cure)]
        }
    }

    /// What the program says of itself, asked behind the walls of a machine.
    private static func version(_ engine: EngineFinder.Engine) throws -> (String, Walls) {
        let output = try Descriptor.pipe()
        let (process, walls) = try EngineJail(
            binary: engine.binary, arguments: [engine.binary, "--version"],
            descriptors: [try Descriptor(opening: "/dev/null"), output.write, output.write],
            accelerator: engine.accelerator, fileLimit: 0, memoryLimit: 512 << 20, userNumber: 0
        ).start()
        defer { process.send(SIGKILL) }
        let exit = try process.reap()
        // A program's version fits a pipe, so it could end without being read.
        try output.read.setNonblocking(true)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = (try? bytes.withUnsafeMutableBytes { try output.read.read(into: $0) }) ?? 0
        let line = String(decoding: bytes[..<count], as: UTF8.self).prefix { !$0.isNewline }
        guard exit == .code(0), !line.isEmpty else {
            throw EngineError.control(command: "--version", reason: "it ended with \(exit), saying '\(line)'")
        }
        return (String(line), walls)
    }

    private static func detail(_ wall: Walls.Wall) -> String {
        switch wall {
        case .files: "Landlock ABI \(Landlock.kernelABI ?? 0)"
        case .systemCalls: "seccomp filter"
        case .network, .processes, .ipc: "own namespace"
        case .user: "a user of its own for every machine"
        case .privileges: "no capabilities, no new privileges"
        case .limits: "file size, memory, descriptors, no core dumps"
        }
    }

    private static func cure(_ wall: Walls.Wall) -> String {
        switch wall {
        case .files: "use Linux 5.13 or newer and add 'landlock' to the kernel's 'lsm=' option"
        case .network, .processes, .ipc:
            "allow user namespaces ('sysctl kernel.unprivileged_userns_clone=1', on Ubuntu "
                + "'kernel.apparmor_restrict_unprivileged_userns=0', in a container its seccomp profile)"
        case .user: "give the container a user namespace with at least 2000 users"
        case .systemCalls, .privileges, .limits: "use a kernel with seccomp filters"
        }
    }

    private static func inspect(_ file: (name: String, path: String, cure: String)) -> Prerequisite {
        let there = access(file.path, R_OK) == 0
        return Prerequisite(
            file.name, there ? .good : .missing, there ? file.path : "\(file.path) cannot be read",
            cure: there ? nil : file.cure)
    }

    private func memory() -> Prerequisite? {
        guard let bytes = try? FileTree.read("/proc/meminfo", limit: 1 << 16) else { return nil }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        guard let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap({ Int64($0) }) else { return nil }
        let megabytes = kilobytes >> 10
        return Prerequisite(
            "memory", megabytes >= 512 ? .good : .lacking, "\(megabytes) MiB available",
            cure: megabytes >= 512 ? nil : "end other programs, or give sandboxes less memory")
    }

    private func space() -> Prerequisite? {
        var status = statvfs()
        guard statvfs(storage, &status) == 0 else { return nil }
        let megabytes = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize).partialValue >> 20
        return Prerequisite(
            "disk space", megabytes >= 2048 ? .good : .lacking, "\(megabytes) MiB free in \(storage)",
            cure: megabytes >= 2048 ? nil : "remove images that are not needed, or choose another SANDPIPER_HOME")
    }
}
