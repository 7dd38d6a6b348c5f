import AgentProtocol
import DiskImage
import Engine
import Foundation
import Glibc
import LinuxSystem
import Testing

@testable import Template

/// A home with a template store, and what its machines are made of: the project's kernel and initramfs.
final class Workshop: Sendable {
    let home: String
    let engine: EngineFinder.Engine
    let specification: TemplateSpecification
    let store: TemplateStore

    init(budget: Int64 = TemplateStore.defaultBudget, memory: Int64 = 128 << 20) throws {
        let home = "/tmp/sandpiper-templates-\(getpid())-\(UInt32.random(in: .min ... .max))"
        self.home = home
        try FileTree.makeDirectory(home)
        engine = try EngineFinder(cacheDirectory: home).find()
        specification = TemplateSpecification(
            cpus: 1, memory: memory, kernel: try Self.guestFile("SANDPIPER_KERNEL", "vmlinux"),
            initramfs: try Self.guestFile("SANDPIPER_INITRAMFS", "initramfs.cpio"))
        store = TemplateStore(home: home, budget: budget)
    }

    deinit { try? FileTree.removeTree(home) }

    private static func guestFile(_ variable: String, _ name: String) throws -> String {
        if let path = getenv(variable) { return String(cString: path) }
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let path = "\(root)/.build/release/guest/\(name)"
        guard FileTree.exists(path) else { throw SystemError("set \(variable), or run 'make build' for", path) }
        return path
    }

    /// The template, made when it is not there.
    func template() async throws -> Template { try await store.template(for: specification, on: engine) }

    /// The path of a file of the template.
    func path(_ template: Template, _ file: String) -> String { "\(home)/templates/\(template.name)/\(file)" }

    /// How a machine goes on from a template.
    enum Way: CaseIterable {
        /// In the frozen engine, with a copy of the template's disk.
        case thawed
        /// In an engine of its own, with a disk that it may have used.
        case started
    }

    /// The ways that there are on this host.
    var ways: [Way] { engine.accelerator == .emulated ? Way.allCases : [.started] }

    /// A machine that has gone on from the template, not configured yet.
    func fork(_ template: Template, _ way: Way? = nil) async throws -> ForkedMachine {
        let way = way ?? ways[0]
        let path = "\(home)/upper-\(UInt32.random(in: .min ... .max))"
        var template = template
        let upper: MachineLayout.Upper
        switch way {
        case .thawed:
            let problems = try store.list().map(\.engineProblem)
            #expect(template.engine != nil, "\(problems)")
            try UpperDisk.clone(from: template.freshDisk, to: path)
            upper = .fresh(try Descriptor(opening: path, O_RDWR))
        case .started:
            template = Template(
                name: template.name, cpus: template.cpus, memory: template.memory, memoryFile: template.memoryFile,
                freshDisk: template.freshDisk, state: template.state, engine: nil,
                fingerprint: template.fingerprint)
            let file = try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
            guard ftruncate(file.rawValue, 64 << 20) == 0 else { throw SystemError("make", path) }
            try Self.run("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", path)
            upper = .used(file)
        }
        let image = try Descriptor(opening: try Self.image.get())
        let length = Int64(try image.status().st_size)
        let machine = try await QEMUMachine.start(
            template.fork(
                image: [.init(file: image, length: length)], upper: upper, diskLimit: 64 << 20,
                userNumber: UInt32.random(in: 0...0xff_ffff)),
            on: engine)
        return ForkedMachine(machine, isFresh: way == .thawed)
    }

    /// An image whose only program is busybox.
    private static let image: Result<String, any Error> = Result {
        let root = "/tmp/sandpiper-template-image-\(getpid())"
        try FileTree.makeDirectory(root + "/bin", mode: 0o755)
        defer { try? FileTree.removeTree(root) }
        chmod(root, 0o755)
        try FileTree.writeAtomically(try FileTree.read("/bin/busybox"), to: root + "/bin/busybox", mode: 0o755)
        let image = root + ".erofs"
        try run("/usr/bin/mkfs.erofs", "--quiet", image, root)
        return image
    }

    private static func run(_ program: String, _ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw SystemError("run", program, number: EIO) }
    }
}

/// A forked machine, spoken to over its agent's port.
final class ForkedMachine: Sendable {
    let machine: QEMUMachine
    private let isFresh: Bool

    init(_ machine: QEMUMachine, isFresh: Bool) {
        self.machine = machine
        self.isFresh = isFresh
    }

    deinit { machine.kill() }

    struct Refusal: Error { let reason: String }

    /// A configuration with an identity of its own.
    static func identity() -> MachineConfiguration {
        var generator = SystemRandomNumberGenerator()
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: .min ... .max, using: &generator) } }
        let id = bytes(16).map { String(format: "%02x", $0) }.joined()
        return MachineConfiguration(
            entropy: bytes(64), wallClock: HostClock.wall, hostName: "box-\(id.prefix(8))", machineID: id,
            mac: [0x02] + bytes(5))
    }

    /// Configures the machine.
    func configure(_ configuration: MachineConfiguration = identity()) async throws -> AgentProtocol.Confirmation {
        var configuration = configuration
        configuration.upperIsFresh = isFresh
        try machine.agentPort.write(try HostMessage.configure(configuration).frame().encoded)
        switch try await next() {
        case .configured(let confirmation): return confirmation
        case .refused(let reason): throw Refusal(reason: reason)
        case let message: throw Refusal(reason: "\(message)")
        }
    }

    /// Runs a shell command in the configured machine; what it printed.
    func run(_ command: String) async throws -> String {
        let specification = ProcessSpecification(
            arguments: ["/bin/busybox", "sh", "-c", command], environment: ["PATH=/bin"])
        try machine.agentPort.write(try HostMessage.start(stream: 1, specification).frame().encoded)
        var output: [UInt8] = []
        while true {
            switch try await next() {
            case .data(_, _, let bytes): output += bytes
            case .exited: return String(decoding: output, as: UTF8.self)
            case .failed(_, let failure): throw Refusal(reason: failure.detail)
            default: continue
            }
        }
    }

    private func next() async throws -> GuestMessage {
        let port = machine.agentPort
        return try await DedicatedThread.value { Result { try Self.read(port) } }.get()
    }

    private static func read(_ port: Descriptor) throws -> GuestMessage {
        func bytes(_ count: Int) throws -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count {
                var part = [UInt8](repeating: 0, count: count - bytes.count)
                let read = try part.withUnsafeMutableBytes { try port.read(into: $0) }
                guard read > 0 else { throw Refusal(reason: "the machine has ended") }
                bytes += part.prefix(read)
            }
            return bytes
        }
        let header = try FrameHeader(decoding: try bytes(FrameHeader.size))
        let payload = try bytes(header.length)
        return try GuestMessage(
            Frame(header.kind, channel: header.channel, stream: header.stream, payload: payload))
    }
}
