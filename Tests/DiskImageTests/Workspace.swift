import Glibc
import LinuxSystem

@testable import DiskImage

/// A directory that is taken away at the end, with everything mounted below it.
final class Workspace {
    let path: String
    private var mounts: [String] = []

    init() throws {
        var template = Array("/tmp/disk-image-tests.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for mount in mounts.reversed() { umount2(mount, Int32(MNT_DETACH)) }
        try? FileTree.removeTree(path)
    }

    static var isRoot: Bool { geteuid() == 0 }

    /// Runs a program found in the usual places and hands back its output.
    @discardableResult
    func run(_ program: String, _ arguments: String...) throws -> String { try run(program, arguments) }

    @discardableResult
    func run(_ program: String, _ arguments: [String]) throws -> String {
        let places = ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"].map { $0 + program }
        guard let found = places.first(where: { access($0, X_OK) == 0 }) else {
            throw SystemError("find program", program, number: ENOENT)
        }
        let outcome = try ChildProgram(path: found, arguments: arguments).run(outputLimit: 16 << 20)
        let output = String(decoding: outcome.output, as: UTF8.self)
        guard outcome.status == 0 else {
            throw ProgramFailed(command: ([program] + arguments).joined(separator: " "), output: output)
        }
        return output
    }

    struct ProgramFailed: Error, CustomStringConvertible {
        let command: String
        let output: String
        var description: String { "\(command): \(output)" }
    }

    /// Runs a few lines of shell in the workspace.
    @discardableResult
    func shell(_ script: String) throws -> String { try run("bash", "-euc", "cd \(path)\numask 022\n" + script) }

    func write(_ bytes: [UInt8], _ name: String) throws {
        try Descriptor(opening: path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC).write(bytes)
    }

    /// Makes a layer's data file `NAME.data` of an archive, given in pieces of `step` bytes.
    func layer(_ archive: [UInt8], _ name: String = "layer", step: Int = .max, limits: LayerLimits = .init()) throws
        -> LayerIndex
    {
        let data = try Descriptor(opening: "\(path)/\(name).data", O_RDWR | O_CREAT | O_TRUNC)
        var writer = LayerWriter(data: data, limits: limits)
        try archive.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                let end = start + min(step, bytes.count - start)
                try writer.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        let index = try writer.finish()
        return try LayerIndex(decoding: index.encoded)
    }

    func layer(file: String, _ name: String = "layer", step: Int = 1 << 20) throws -> LayerIndex {
        let archive = try Descriptor(opening: file.hasPrefix("/") ? file : path + "/" + file)
        let data = try Descriptor(opening: "\(path)/\(name).data", O_RDWR | O_CREAT | O_TRUNC)
        var writer = LayerWriter(data: data)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: step, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try archive.read(into: buffer)
            if count == 0 { break }
            try writer.consume(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        return try LayerIndex(decoding: writer.finish().encoded)
    }

    /// Joins metadata and data files into one image file, as the machine's disk joins them.
    @discardableResult
    func image(_ layers: [(String, LayerIndex)], _ name: String = "image") throws -> String {
        let file = "\(path)/\(name).erofs"
        let metadata = try Descriptor(opening: file, O_RDWR | O_CREAT | O_TRUNC)
        let length = try ImageDisk.write(layers: layers.map(\.1), to: metadata)
        var position = length
        for (name, index) in layers {
            let data = try Descriptor(opening: "\(path)/\(name).data")
            guard index.dataLength == Int64(try data.status().st_size) else {
                throw SystemError("check", name, number: EIO)
            }
            guard ftruncate(metadata.rawValue, off_t(position + index.dataLength)) == 0 else {
                throw SystemError("ftruncate")
            }
            try run(
                "dd", "if=\(path)/\(name).data", "of=\(file)", "bs=1M", "oflag=seek_bytes", "seek=\(position)",
                "conv=notrunc,sparse", "status=none")
            position += index.dataLength
        }
        return file
    }

    /// Mounts an image and hands back where.
    func mount(_ image: String, _ name: String = "mounted") throws -> String {
        let target = path + "/" + name
        try FileTree.makeDirectory(target)
        try run("mount", "-t", "erofs", "-o", "loop,ro", image, target)
        mounts.append(target)
        return target
    }

    /// Unpacks the same layers, files in the workspace, with umoci; hands back where.
    func unpackWithUmoci(_ archives: [String], _ name: String = "umoci") throws -> String {
        try shell("umoci init --layout \(name).oci && umoci new --image \(name).oci:test")
        for archive in archives { try shell("umoci raw add-layer --image \(name).oci:test \(archive)") }
        try shell("umoci unpack --image \(name).oci:test \(name).bundle")
        return "\(path)/\(name).bundle/rootfs"
    }

    /// Joins layers and shows what is in the image: mounted by the kernel, or for others than root unpacked by
    /// erofs-utils.
    func show(_ archives: [[UInt8]], _ name: String = "shown", step: Int = .max) throws -> String {
        var layers: [(String, LayerIndex)] = []
        for (number, archive) in archives.enumerated() {
            layers.append(("\(name)\(number)", try layer(archive, "\(name)\(number)", step: step)))
        }
        return try show(try image(layers, name), name)
    }

    func show(_ image: String, _ name: String = "shown") throws -> String {
        try run("fsck.erofs", image)
        if Self.isRoot { return try mount(image, name) }
        try run("fsck.erofs", "--extract=\(path)/\(name)", "--preserve-perms", image)
        return "\(path)/\(name)"
    }

    /// Lays an empty upper side over a lower one, as the guest does.
    func overlay(_ lower: String, _ name: String = "merged") throws -> String {
        // The upper side must not lie on an overlay itself.
        let base = path + "/" + name + ".upper"
        try FileTree.makeDirectory(base)
        try run("mount", "-t", "tmpfs", "tmpfs", base)
        mounts.append(base)
        try FileTree.makeDirectory(base + "/upper")
        try FileTree.makeDirectory(base + "/work")
        let target = path + "/" + name
        try FileTree.makeDirectory(target)
        try run(
            "mount", "-t", "overlay", "overlay", "-o",
            "lowerdir=\(lower),upperdir=\(base)/upper,workdir=\(base)/work,redirect_dir=on,index=on", target)
        mounts.append(target)
        return target
    }
}
