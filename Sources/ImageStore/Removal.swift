import LinuxSystem
import OCI

/// What a removal did, in order.
public enum Removal: Hashable, Sendable {
    /// The reference names no image any more.
    case untagged(Reference)
    /// The image is gone, and of its parts all that no other image needs.
    case deleted(Digest)
}

extension ImageStore {
    /// Removes a reference; with its last reference the image goes too, and what no other image needs of its layers.
    ///
    /// Machines that run from the image keep its files open and run on.
    /// - Parameters:
    ///   - text: a reference in any spelling, or a digest's beginning, as for ``resolve(_:)``.
    ///   - force: whether an image that is named by its digest goes although it has several references.
    /// - Throws: ``ImageStoreError``; then nothing was removed.
    public func remove(_ text: String, force: Bool = false) throws(ImageStoreError) -> [Removal] {
        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        let (digest, reference) = try find(text)
        let references = try allReferences().filter { $0.value == digest }.keys.sorted()
        if reference == nil, references.count > 1, !force {
            throw .severalReferences(digest, references: references)
        }
        // While it is there, a sweep knows that this removal may not have come to its end.
        let trash = try makeWorkspaceUnderLock()

        let untagged = reference.map { [$0] } ?? references
        try reporting { () throws(SystemError) in
            for reference in untagged { try FileTree.removeFile(layout.reference(reference)) }
        }
        var removals = untagged.map(Removal.untagged)
        if untagged.count == references.count {
            try reporting { () throws(SystemError) in try FileTree.removeFile(layout.record(digest)) }
            try collectGarbage(into: trash)
            removals.append(.deleted(digest))
        }
        return removals
    }

    /// Moves all that no image needs into `trash`, each by one rename, so that nothing is ever there in part.
    ///
    /// The caller holds the lock exclusively.
    func collectGarbage(into trash: Workspace) throws(ImageStoreError) {
        var needed: Set<String> = []
        for digest in try allDigests() {
            let record = try record(digest)
            needed.formUnion(record.layers.map(layout.layer))
            needed.formUnion([layout.disk(record.chain)])
            needed.formUnion([record.digest, record.configuration].map(layout.blob))
        }
        try reporting { () throws(SystemError) in
            for directory in [layout.layers, layout.disks] + Digest.Algorithm.allCases.map(layout.blobs) {
                for name in try FileTree.names(in: directory) where !needed.contains("\(directory)/\(name)") {
                    let place = "\(trash.path)/\(UInt64.random(in: .min ... .max)).trash"
                    try FileTree.rename("\(directory)/\(name)", to: place)
                }
            }
            try removeDeadReferences(in: layout.references)
        }
    }

    private func removeDeadReferences(in directory: String) throws(SystemError) {
        for name in try FileTree.names(in: directory) {
            let path = "\(directory)/\(name)"
            if name.hasSuffix("+") {
                try removeDeadReferences(in: path)
                if try FileTree.names(in: path).isEmpty { try FileTree.removeTree(path) }
            } else if try digest(inReference: path) == nil {
                try FileTree.removeFile(path)
            }
        }
    }
}
