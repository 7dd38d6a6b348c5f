import Glibc
import LinuxSystem

/// The text file of a VMDK disk with flat extents, by which QEMU joins several files into one device.
/// See VMware's "Virtual Disk Format 5.0", section "The Descriptor File".
enum VMDKDescriptor {
    /// The file, in memory, open for reading only, as QEMU's descriptor sets need it.
    /// - Parameter extents: the file's name for QEMU, and how many sectors of 512 bytes it gives.
    static func make(_ extents: [(name: String, sectors: Int64)]) throws(SystemError) -> Descriptor {
        let memory = try Descriptor.memory("disk")
        try memory.write(Array(text(extents).utf8))
        return try memory.reopened()
    }

    /// A file without content, open for reading only.
    static func emptyFile() throws(SystemError) -> Descriptor {
        try Descriptor.memory("padding").reopened()
    }

    /// QEMU takes only extents that call themselves writable; that the disk is not, its block device says.
    static func text(_ extents: [(name: String, sectors: Int64)]) -> String {
        let head = """
            # Disk DescriptorFile
            version=1
            CID=fffffffe
            parentCID=ffffffff
            createType="monolithicFlat"

            """
        return head + extents.map { "RW \($0.sectors) FLAT \"\($0.name)\" 0\n" }.joined()
    }
}
