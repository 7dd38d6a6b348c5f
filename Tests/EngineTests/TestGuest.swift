import Glibc
import LinuxSystem

@testable import Engine

/// What a machine of the tests boots: the project's kernel, and busybox with a script of the test's own as PID 1.
enum TestGuest {
    /// The kernel: that of `SANDPIPER_KERNEL`, or else the project's, built when it is not there yet.
    static let kernel: Result<Descriptor, any Error> = Result {
        if let path = getenv("SANDPIPER_KERNEL") { return try Descriptor(opening: String(cString: path)) }
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let printed = try output(of: root + "/guest/kernel/build.sh")
        return try Descriptor(opening: printed.split(separator: "\n").last.map(String.init) ?? "")
    }

    /// Runs a shell command; what it printed.
    static func output(of program: String) throws -> String {
        guard let pipe = popen(program, "re") else { throw SystemError("run", program) }
        defer { pclose(pipe) }
        var text = ""
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), pipe) != nil {
            text += String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        return text
    }

    /// An initial file system whose init mounts what it needs, runs `script` with the console as its input and output,
    /// and then ends the machine.
    static func initramfs(_ script: String) throws -> Descriptor {
        let start = """
            #!/bin/sh
            busybox mount -t devtmpfs dev /dev
            busybox mount -t proc proc /proc
            busybox mount -t sysfs sys /sys
            exec </dev/hvc0 >/dev/hvc0 2>&1
            busybox stty -echo raw
            for program in cat dd sync sha256sum ls stty head sleep wc grep; do eval "$program() { busybox $program \\"\\$@\\"; }"; done
            disk() { for d in /sys/block/vd*; do [ "$(cat $d/serial)" = "$1" ] && echo /dev/${d##*/}; done; }
            """
        let end = "busybox reboot -f"
        let archive = try Descriptor.memory("initramfs")
        var bytes: [UInt8] = []
        for directory in ["bin", "dev", "proc", "sys"] { append(&bytes, directory, mode: 0o040755, []) }
        append(&bytes, "bin/busybox", mode: 0o100755, try FileTree.read("/bin/busybox"))
        append(&bytes, "bin/sh", mode: 0o120777, Array("busybox".utf8))
        append(&bytes, "init", mode: 0o100755, Array("\(start)\n\(script)\n\(end)\n".utf8))
        append(&bytes, "TRAILER!!!", mode: 0, [])
        try archive.write(bytes)
        return archive
    }

    /// Adds an entry of a cpio archive in the "newc" format of cpio(5).
    private static func append(_ archive: inout [UInt8], _ name: String, mode: Int, _ content: [UInt8]) {
        let fields = [archive.count, mode, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        let digits = fields.map { field in
            let text = String(field, radix: 16)
            return String(repeating: "0", count: 8 - text.count) + text
        }
        archive += Array("070701\(digits.joined())\(name)\0".utf8)
        while archive.count % 4 != 0 { archive.append(0) }
        archive += content
        while archive.count % 4 != 0 { archive.append(0) }
    }

    /// A machine with 256 MiB and one processor that runs `script`.
    static func start(
        _ script: String, disks: [MachineSpecification.Disk] = [], diskLimit: Int64 = 0, userNumber: UInt32 = 1
    ) async throws -> QEMUMachine {
        let specification = MachineSpecification(
            memory: 256 << 20, origin: .boot(kernel: try kernel.get(), initramfs: try initramfs(script)), disks: disks,
            diskLimit: diskLimit, userNumber: userNumber)
        return try await QEMUMachine.start(specification, on: try engine())
    }

    /// The engine of this host; what it finds out about KVM is kept for the next test.
    static func engine() throws -> EngineFinder.Engine {
        let cache = "/tmp/sandpiper-tests-\(geteuid())"
        try FileTree.makeDirectory(cache)
        return try EngineFinder(cacheDirectory: cache).find()
    }
}

extension Descriptor {
    /// The whole content of the file, from its beginning.
    var bytes: [UInt8] {
        get throws { try FileTree.read("/proc/self/fd/\(rawValue)", limit: 64 << 20) }
    }
}

/// The host's end of a channel of the guest, read on a thread of its own.
struct GuestChannel: Sendable {
    let descriptor: Descriptor

    /// What comes up to and with `mark`; throws when the channel ends before it.
    func read(through mark: String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try DedicatedThread.start {
                    continuation.resume(with: Result { try readNow(through: Array(mark.utf8)) })
                }
            } catch { continuation.resume(throwing: error) }
        }
    }

    private func readNow(through mark: [UInt8]) throws -> String {
        var text: [UInt8] = []
        var byte: [UInt8] = [0]
        while !text.suffix(mark.count).elementsEqual(mark) {
            guard try byte.withUnsafeMutableBytes({ try descriptor.read(into: $0) }) == 1 else {
                throw ChannelEnded(text: String(decoding: text, as: UTF8.self))
            }
            text += byte
        }
        return String(decoding: text, as: UTF8.self)
    }

    struct ChannelEnded: Error { let text: String }
}
