import Engine
import Glibc
import LinuxSystem

/// The devices that every sandbox's machine has, whatever its image and the size of its disk.
///
/// Of the eight slots of a microvm six are taken: console and agent's port, random numbers, the image's disk, two for the
/// writable disk, of which each machine has one, and a network device. Two are left empty.
public enum MachineLayout {
    /// Counted up whenever a machine of the one layout could not go on as one of the other.
    public static let version = 5
    /// The serial number of the disk that holds the image.
    public static let imageDisk = "image"
    /// The serial number of the writable disk of a sandbox that has run before.
    public static let upperDisk = "upper"
    /// The serial number of the writable disk that a template holds, mounted, for sandboxes that have not.
    public static let freshDisk = "fresh"
    /// How large the guest sees the image's disk, in bytes.
    public static let imageSize: Int64 = 1 << 40
    /// How large the guest sees the writable disk, in bytes. The file system within sets the limit for those who keep
    /// to it, ``MachineSpecification/diskLimit`` for those who do not.
    public static let upperSize: Int64 = 8 << 40

    /// The size of the writable disk's file system that a template holds, in bytes: the usual one.
    public static let freshDiskSize: Int64 = 8 << 30

    /// A sandbox's own disk.
    public enum Upper: Sendable {
        /// One that it has used.
        case used(Descriptor)
        /// A copy of its template's.
        case fresh(Descriptor)

        /// Whether it is a copy of its template's.
        public var isFresh: Bool { if case .fresh = self { true } else { false } }
    }

    /// The disks of a machine.
    /// - Parameters:
    ///   - image: what the image's disk is joined from; together at most ``imageSize``.
    ///   - used: the file of the one writable disk, ``upperSize`` long.
    ///   - fresh: the file of the other.
    private static func disks(
        image: [MachineSpecification.Disk.Extent], used: Descriptor, fresh: Descriptor
    ) -> [MachineSpecification.Disk] {
        [
            .init(serial: imageDisk, extents: image, readOnly: true, size: imageSize),
            .init(serial: upperDisk, extents: [.init(file: used, length: upperSize)], readOnly: false),
            .init(serial: freshDisk, extents: [.init(file: fresh, length: upperSize)], readOnly: false),
        ]
    }

    /// The disks of a machine that is to be frozen and has both.
    static func disks(
        image: [MachineSpecification.Disk.Extent], usedAndFresh: (Descriptor, Descriptor)
    ) throws(SystemError) -> [MachineSpecification.Disk] {
        disks(image: image, used: try extended(usedAndFresh.0), fresh: try extended(usedAndFresh.1))
    }

    /// The disks of a machine that has one of the two. The other is there and cannot be written: the guest sees errors.
    private static func disks(
        image: [MachineSpecification.Disk.Extent], upper: Upper
    ) throws(SystemError) -> [MachineSpecification.Disk] {
        let nothing = try Descriptor.zeros("no disk", length: upperSize)
        return switch upper {
        case .used(let file): disks(image: image, used: try extended(file), fresh: nothing)
        case .fresh(let file): disks(image: image, used: nothing, fresh: try extended(file))
        }
    }

    /// A machine of this layout.
    /// - Parameters: as in `MachineSpecification`, and as in ``Template/fork(image:upper:diskLimit:userNumber:)``.
    public static func machine(
        cpus: Int, memory: Int64, origin: MachineSpecification.Origin, image: [MachineSpecification.Disk.Extent],
        upper: Upper, diskLimit: Int64, userNumber: UInt32
    ) throws(SystemError) -> MachineSpecification {
        MachineSpecification(
            cpus: cpus, memory: memory, origin: origin, disks: try disks(image: image, upper: upper), network: true,
            diskLimit: diskLimit, userNumber: userNumber)
    }

    private static func extended(_ file: Descriptor) throws(SystemError) -> Descriptor {
        guard ftruncate(file.rawValue, off_t(upperSize)) == 0 else { throw SystemError("extend the writable disk") }
        return file
    }
}
