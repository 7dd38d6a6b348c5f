import Engine
import Glibc
import LinuxSystem

/// What a machine is made of, as far as a template depends on it.
public struct TemplateSpecification: Sendable {
    /// Virtual processors, from 1 to 64.
    public var cpus: Int
    /// Memory in bytes, on the ``MemoryLadder``.
    public var memory: Int64
    /// The path of the guest kernel.
    public var kernel: String
    /// The path of the initial file system with the agent.
    public var initramfs: String

    /// A machine with memory of at least `memory` bytes.
    public init(cpus: Int, memory: Int64, kernel: String, initramfs: String) {
        self.cpus = cpus
        self.memory = MemoryLadder.size(holding: memory)
        self.kernel = kernel
        self.initramfs = initramfs
    }
}

/// Which file a path led to, and whether it is still the same: from its metadata, without reading it.
struct FileIdentity: Codable, Equatable, Sendable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var seconds: Int64
    var nanoseconds: Int64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = Int64(status.st_mtim.tv_sec)
        nanoseconds = Int64(status.st_mtim.tv_nsec)
    }

    init(path: String) throws(SystemError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("look at", path) }
        self.init(status)
    }

    private init() { (device, inode, size, seconds, nanoseconds) = (0, 0, 0, 0, 0) }

    /// That of no file.
    static let none = FileIdentity()
}

/// Everything that makes one template another: a machine goes on only as what it was when it was frozen.
struct TemplateKey: Codable, Equatable, Sendable {
    var layout = MachineLayout.version
    var kernel: FileIdentity
    var initramfs: FileIdentity
    var engine: FileIdentity
    var firmware: FileIdentity
    var accelerator: String
    var processor: String
    var cpus: Int
    var memory: Int64

    init(_ specification: TemplateSpecification, on engine: EngineFinder.Engine) throws(SystemError) {
        kernel = try FileIdentity(path: specification.kernel)
        initramfs = try FileIdentity(path: specification.initramfs)
        self.engine = try FileIdentity(path: engine.binary)
        firmware = try FileIdentity(path: engine.firmware)
        accelerator = engine.accelerator.rawValue
        processor = engine.processor
        // A guest on KVM has found out what this host's processor can do.
        if engine.accelerator == .kvm { processor += try Self.hostProcessor() }
        cpus = specification.cpus
        memory = specification.memory
    }

    /// The template's name: 16 hexadecimal digits.
    var name: String {
        var sum = Checksum()
        for file in [kernel, initramfs, engine, firmware] {
            for number in [file.device, file.inode] { sum.add(number) }
            for number in [file.size, file.seconds, file.nanoseconds] { sum.add(UInt64(bitPattern: number)) }
        }
        sum.add("\(accelerator)\n\(processor)".utf8)
        for number in [Int64(layout), Int64(cpus), memory] { sum.add(UInt64(bitPattern: number)) }
        return sum.text
    }

    /// What the kernel says of the first processor: model, features, microcode. How fast it runs just now is left out.
    static func hostProcessor() throws(SystemError) -> String {
        let file = try Descriptor(opening: "/proc/cpuinfo")
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(SystemError) in try file.read(into: buffer, at: 0) }
        }
        let text = String(decoding: bytes[..<(try result.get())], as: UTF8.self)
        let wanted = ["vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags"]
        var lines: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).prefix(while: { !$0.isEmpty }) {
            let name = line.prefix { $0 != "\t" && $0 != ":" }
            if wanted.contains(where: { $0 == name }) { lines.append(line) }
        }
        return " \(Checksum(lines.joined(separator: "\n").utf8).text)"
    }
}
