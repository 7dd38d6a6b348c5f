import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

@Suite("A writable disk")
struct UpperDiskTests {
    private let space: Workspace
    private var disk: String { space.path + "/upper.ext4" }

    init() throws { space = try Workspace() }

    @Test("is a sound ext4 with a journal that takes little space", arguments: [Int64(16) << 20, 300 << 20, 8 << 30])
    func format(size: Int64) throws {
        try UpperDisk.format(path: disk, size: size)
        let status = try Descriptor(opening: disk).status()
        #expect(Int64(status.st_size) == size)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(status.st_blocks * 512 < 6 << 20)
        try space.run("e2fsck", "-f", "-n", disk)
        let description = try space.run("dumpe2fs", "-h", disk)
        #expect(description.contains("has_journal"))
        #expect(
            description.split(separator: "\n").contains { $0.hasPrefix("Reserved block count:") && $0.hasSuffix(" 0") })
        #expect(try space.run("debugfs", "-R", "stat <2>", disk).contains("Mode:  0755"))
    }

    @Test("is written only where nothing is, with a size that can be")
    func refused() throws {
        for size in [0, -1, UpperDisk.minimumSize - 1, UpperDisk.maximumSize + 1, .max] {
            #expect(throws: DiskImageError.self) { try UpperDisk.format(path: disk, size: size) }
            #expect(!FileTree.exists(disk))
        }
        try space.write([1], "upper.ext4")
        #expect(throws: DiskImageError.self) { try UpperDisk.format(path: disk, size: 64 << 20) }
        #expect(try FileTree.read(disk) == [1])
        #expect(throws: DiskImageError.self) { try UpperDisk.format(path: space.path + "/no/disk", size: 64 << 20) }
    }

    @Test("is cloned with its holes")
    func clone() throws {
        try UpperDisk.format(path: disk, size: 2 << 30)
        let file = try Descriptor(opening: disk, O_WRONLY)
        let bytes = [UInt8](repeating: 7, count: 100_000)
        let offsets: [Int64] = [500 << 20, 1 << 30 + 4096 * 3, 2 << 30 - 100_000]
        for offset in offsets {
            try bytes.withUnsafeBytes { try file.write($0, at: offset) }
        }
        try UpperDisk.clone(from: disk, to: disk + ".clone")
        try space.run("cmp", disk, disk + ".clone")
        let (original, clone) = (try file.status(), try Descriptor(opening: disk + ".clone").status())
        #expect(clone.st_blocks <= original.st_blocks + 64)
        #expect(clone.st_size == original.st_size)
        #expect(throws: DiskImageError.self) { try UpperDisk.clone(from: disk, to: disk + ".clone") }
        #expect(throws: DiskImageError.self) { try UpperDisk.clone(from: disk + ".no", to: disk + ".new") }
        #expect(!FileTree.exists(disk + ".new"))
    }

    @Test("is cloned between file systems")
    func cloneAcross() throws {
        try UpperDisk.format(path: disk, size: 64 << 20)
        let target = "/dev/shm/disk-image-tests.\(getpid()).clone"
        try UpperDisk.clone(from: disk, to: target)
        defer { unlink(target) }
        try space.run("cmp", disk, target)
        #expect(try Descriptor(opening: target).status().st_blocks * 512 < 6 << 20)
    }

    @Test("is unpacked by the kernel", .enabled(if: Workspace.isRoot, "only root can mount"))
    func mounted() throws {
        try UpperDisk.format(path: disk, size: 64 << 20)
        try space.shell(
            """
            mkdir m; mount -o loop,noinit_itable upper.ext4 m; trap 'umount m' EXIT
            mkdir m/upper; dd if=/dev/urandom of=m/upper/f bs=1M count=40 status=none; sync
            setfattr -n trusted.overlay.opaque -v y m/upper
            """)
        try space.run("e2fsck", "-f", "-n", disk)
    }
}
