import LinuxSystem
import OCI

/// What a removal did, in order.
public enum Removal: Hashable, Sendable {
    /// The reference names no image any more.
    case untagged(Reference)
    /// The image is gone, and of its parts all that no other image needs.
    case deleted(Digest)
}

extension Removal: CustomStringConvertible {
    /// What a user is told.
    public var description: String {
        switch self {
        case .untagged(let reference): "Untagged: \(reference)"
        case .deleted(let digest): "Deleted: \(digest)"
        }
    }
}

extension ImageStore {
    /// The sandboxes, by name or id, that run from each image. Asked while the store is locked, so that no sandbox that
    /// is told of an image later can lose it unnoticed.
    public typealias Users = () throws(ImageStoreError) -> [Digest: [String]]

    /// Removes a reference; with its last reference the image goes too, and what no other image needs of its layers.
    /// - Parameters:
    ///   - text: a reference in any spelling, or a digest's beginning, as for ``resolve(_:)``.
    ///   - force: whether an image that is named by its digest goes although it has several references, and whether the
    ///     references of an image in use go; that image itself stays.
    /// - Throws: ``ImageStoreError``; then nothing was removed.
    public func remove(
        _ text: String, force: Bool = false, users: Users = { () throws(ImageStoreError) in [:] }
    ) throws(ImageStoreError) -> [Removal] {
        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        let (digest, reference) = try find(text)
        let references = try allReferences().filter { $0.value == digest }.keys.sorted()
        if reference == nil, references.count > 1, !force {
            throw .severalReferences(digest, references: references)
        }
        let untagged = reference.map { [$0] } ?? references
        let isLast = untagged.count == references.count
        let sandboxes = try isLast ? users()[digest, default: []] : []
        guard sandboxes.isEmpty || force else { throw .inUse(digest, by: sandboxes) }
        // While it is there, a sweep knows that this removal may not have come to its end.
        let trash = try makeWorkspaceUnderLock()
        try reporting { () throws(SystemError) in
            for reference in untagged { try FileTree.removeFile(layout.reference(reference)) }
        }
        var removals = untagged.map(Removal.untagged)
        if isLast && sandboxes.isEmpty {
            try reporting { () throws(SystemError) in try FileTree.removeFile(layout.record(digest)) }
            try collectGarbage(into: trash)
            removals.append(.deleted(digest))
        }
        return removals
    }

    /// Removes the images that no reference names, or with `all` every image, except those that sandboxes run from; and
    /// whatever else in the store belongs to no image.
    /// - Returns: what was removed, and how many bytes of disk that took.
    public func prune(all: Bool, users: Users) throws(ImageStoreError) -> (removals: [Removal], bytes: Int64) {
        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        let references = try allReferences()
        let used = try users()
        let trash = try makeWorkspaceUnderLock()
        var removals: [Removal] = []
        for digest in try allDigests().sorted(by: { $0.hex < $1.hex }) where used[digest] == nil {
            let names = references.filter { $0.value == digest }.keys.sorted()
            guard all || names.isEmpty else { continue }
            try reporting { () throws(SystemError) in
                for reference in names { try FileTree.removeFile(layout.reference(reference)) }
                try FileTree.removeFile(layout.record(digest))
            }
            removals += names.map(Removal.untagged) + [.deleted(digest)]
        }
        try collectGarbage(into: trash)
        return (removals, FileTree.diskUsage(trash.path))
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
