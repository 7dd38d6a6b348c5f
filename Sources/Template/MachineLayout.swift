import Engine
import Glibc
import LinuxSystem

/// The devices that every sandbox's machine has, whatever its image and the size of its disk.
///
/// Of the eight slots of a microvm five are taken: console and agent's port, random numbers, the image's disk, the
/// writable disk, and a network device without carrier. Three are left empty: a block device costs each waking machine
/// more than a device of a kind that is there already, and none is needed so far.
public enum MachineLayout {
    /// Counted up whenever a machine of the one layout could not go on as one of the other.
    static let version = 2
    /// The serial number of the disk that holds the image.
    public static let imageDisk = "image"
    /// The serial number of the writable disk.
    public static let upperDisk = "upper"
    /// How large the guest sees the image's disk, in bytes.
    public static let imageSize: Int64 = 1 << 40
    /// How large the guest sees the writable disk, in bytes. The file system within sets the limit for those who keep
    /// to it, ``MachineSpecification/diskLimit`` for those who do not.
    public static let upperSize: Int64 = 8 << 40

    /// The size of the writable disk's file system that a template holds, in bytes: the usual one.
    public static let freshDiskSize: Int64 = 8 << 30

    /// The disks of a machine.
    /// - Parameters:
    ///   - image: what the image's disk is joined from; together at most ``imageSize``.
    ///   - upper: the file of the writable disk, opened for reading and writing. It becomes ``upperSize`` long, sparse.
    static func disks(
        image: [MachineSpecification.Disk.Extent], upper: Descriptor
    ) throws(SystemError) -> [MachineSpecification.Disk] {
        guard ftruncate(upper.rawValue, off_t(upperSize)) == 0 else { throw SystemError("extend the writable disk") }
        return [
            .init(serial: imageDisk, extents: image, readOnly: true, size: imageSize),
            .init(serial: upperDisk, extents: [.init(file: upper, length: upperSize)], readOnly: false),
        ]
    }
}
