import FileProtocol
import Glibc
import TreeArchive

extension TreeArchiver: ByteProducer {}

/// An archive from the client on its way into a directory.
final class ArchiveWriting: ByteConsumer {
    private let extractor: TreeExtractor

    /// Unpacks below a directory all that an archive of the sandbox's owner can hold.
    init(into directory: OpenFile, _ options: ExtractOptions) {
        extractor = TreeExtractor(
            into: directory,
            .init(
                keepsOwners: options.keepsOwners, keepsSpecialBits: true, makesDevices: true,
                changesRoot: options.changesRoot, attributes: .all))
    }

    func write(_ bytes: [UInt8]) throws(FileCallError) { try extractor.write(bytes[...]) }
    func finish() throws(FileCallError) { try extractor.finish() }
}

extension FileServer {
    /// Opens a tree for reading as an archive.
    /// - Returns: what the tree's root is.
    func openArchive(
        _ path: GuestPath, name: [UInt8], followsLinks: Bool, _ id: UInt32
    ) throws(FileCallError) -> FileStatus {
        let status = try tree.locate(path, followsLinks: followsLinks).status()
        if status.st_mode & S_IFMT == S_IFDIR {
            // By itself, since the root has no other name.
            let directory = try tree.openDirectory(path)
            try open(id) { .reading(TreeArchiver(of: [UInt8(ascii: ".")], in: directory, named: name)) }
        } else {
            let place = followsLinks ? try tree.finalPlace(of: path) : try tree.place(of: path)
            try open(id) { .reading(TreeArchiver(of: place.name, in: place.directory, named: name)) }
        }
        return FileStatus(status)
    }
}
