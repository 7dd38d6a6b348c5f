import DiskImage
import Engine
import Glibc
import LinuxSystem
import Tar

/// The disks of a machine that is to be frozen: as much content as it takes to rehearse. Its forks find their own in the
/// same places.
enum RehearsalDisks {
    private static let usedSize: Int64 = 32 << 20

    /// Makes the disks.
    /// - Parameter directory: where the file `upper` goes, of which the machine makes a fresh disk.
    static func make(in directory: String) throws -> [MachineSpecification.Disk] {
        let image = try image()
        // One file as long as the disk: QEMU freezes no machine with a joined one.
        guard ftruncate(image.rawValue, off_t(MachineLayout.imageSize)) == 0 else {
            throw SystemError("make the disk of a rehearsal")
        }
        let (used, fresh) = (directory + "/used", directory + "/upper")
        try UpperDisk.format(path: used, size: usedSize)
        defer { unlink(used) }
        try UpperDisk.format(path: fresh, size: MachineLayout.freshDiskSize)
        return try MachineLayout.disks(
            image: [.init(file: try image.reopened(), length: MachineLayout.imageSize)],
            usedAndFresh: (try Descriptor(opening: used, O_RDWR), try Descriptor(opening: fresh, O_RDWR)))
    }

    /// An image of a few directories and a file, all in one.
    private static func image() throws -> Descriptor {
        let data = try Descriptor.memory("data")
        var layer = LayerWriter(data: data)
        try archive().withUnsafeBytes { try layer.consume($0) }
        let index = try layer.finish()
        let image = try Descriptor.memory("image")
        let length = try ImageDisk.write(layers: [index], to: image)
        let content = try data.reopened().readAll(limit: 1 << 20)
        try content.withUnsafeBytes { try image.write($0, at: length) }
        return image
    }

    private static func archive() -> [UInt8] {
        var archive: [UInt8] = []
        for name in ["etc", "tmp", "dev", "proc", "sys"] {
            archive += TarEncoder.header(TarEntry(name: Array(name.utf8), kind: .directory, mode: 0o755))
        }
        // Longer than a page, so that some of it is read ahead.
        let content = Array("root:x:0:0:root:/root:/bin/sh\n".utf8) + [UInt8](repeating: 0x0a, count: 20_000)
        for name in ["etc/passwd", "etc/group"] {
            let entry = TarEntry(name: Array(name.utf8), kind: .file, mode: 0o644, size: Int64(content.count))
            archive += TarEncoder.header(entry) + content + TarEncoder.padding(Int64(content.count))
        }
        return archive + TarEncoder.end(after: Int64(archive.count))
    }
}
