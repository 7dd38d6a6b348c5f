import LinuxSystem
import OCI

/// The images on this host: the directory `store/` in Sandpiper's home.
///
/// Several processes use it at once. Whatever becomes visible was finished before and is published by rename, so that a
/// process killed at any moment leaves the store whole; its half-made things are swept by the next command.
public struct ImageStore: Sendable {
    let layout: StoreLayout

    /// Opens the store, making its directories where they are missing.
    /// - Parameter home: Sandpiper's home directory.
    public init(home: String) throws(ImageStoreError) {
        layout = StoreLayout(root: home + "/store")
        let directories =
            [layout.temporary, layout.layers, layout.disks, layout.images, layout.references]
            + Digest.Algorithm.allCases.map(layout.blobs)
        try reporting { () throws(SystemError) in
            for path in directories { try FileTree.makeDirectory(path) }
        }
    }

    /// Finds an image.
    /// - Parameter text: a reference in any spelling, or at least 4 digits of a digest that begin no other image's,
    ///   with or without `sha256:`. A reference goes first.
    /// - Throws: ``ImageStoreError/notFound(_:similar:)`` or ``ImageStoreError/ambiguous(_:matches:)``.
    public func resolve(_ text: String) throws(ImageStoreError) -> StoredImage {
        let lock = try locked(.shared)
        defer { withExtendedLifetime(lock) {} }
        let (digest, _) = try find(text)
        let references = try allReferences().filter { $0.value == digest }.keys
        return StoredImage(record: try record(digest), references: references.sorted(), layout: layout)
    }

    /// All images, those with references first, by name.
    public func images() throws(ImageStoreError) -> [StoredImage] {
        let lock = try locked(.shared)
        defer { withExtendedLifetime(lock) {} }
        let references = try allReferences()
        var images: [StoredImage] = []
        for digest in try allDigests() {
            let names = references.filter { $0.value == digest }.keys.sorted()
            images.append(StoredImage(record: try record(digest), references: names, layout: layout))
        }
        return images.sorted { left, right in
            switch (left.references.first, right.references.first) {
            case (let left?, let right?): left < right
            case (nil, nil): left.digest.hex < right.digest.hex
            case (let left, _): left != nil
            }
        }
    }
}

// What follows expects its caller to hold the lock.
extension ImageStore {
    func locked(_ mode: FileLock.Mode) throws(ImageStoreError) -> FileLock {
        try reporting { () throws(SystemError) in try FileLock.wait(layout.lock, mode) }
    }

    /// The image that `text` means, and the reference if it was named by one.
    func find(_ text: String) throws(ImageStoreError) -> (digest: Digest, reference: Reference?) {
        let references = try allReferences()
        let hex: Substring
        if let prefix = Digest.Algorithm.allCases.map({ $0.rawValue + ":" }).first(where: text.hasPrefix) {
            hex = text.dropFirst(prefix.count)
        } else {
            if let reference = try? Reference(text) {
                if let digest = references[reference] { return (digest, reference) }
                if let digest = reference.digest,
                    references.contains(where: { $0.key.repository == reference.repository && $0.value == digest })
                {
                    return (digest, nil)
                }
            }
            hex = text[...]
        }
        if hex.utf8.count >= 4 {
            let matches = try allDigests().filter { digest in
                digest.hex.hasPrefix(hex) && (hex.count == text.count || digest.description.hasPrefix(text))
            }
            if matches.count > 1 { throw .ambiguous(text, matches: matches) }
            if let match = matches.first { return (match, nil) }
        }
        let name = (try? Reference(text))?.path.split(separator: "/").last
        let similar = references.keys.filter { $0.path.split(separator: "/").last == name }
        throw .notFound(text, similar: similar.sorted())
    }

    func record(_ digest: Digest) throws(ImageStoreError) -> ImageRecord {
        let path = layout.record(digest)
        let bytes = try reporting { () throws(SystemError) in try FileTree.read(path, limit: BoundedJSON.maximumSize) }
        do { return try BoundedJSON.decode(ImageRecord.self, from: bytes, document: "image record") } catch {
            throw .damaged(path, reason: "\(error)")
        }
    }

    /// The digests of all images.
    func allDigests() throws(ImageStoreError) -> [Digest] {
        let names = try reporting { () throws(SystemError) in try FileTree.names(in: layout.images) }
        return names.compactMap { name in
            guard name.hasSuffix(".json") else { return nil }
            let hex = name.dropLast(5)
            return Digest.Algorithm.allCases.lazy.compactMap { try? Digest("\($0.rawValue):\(hex)") }.first
        }
    }

    /// All references, each with the digest of its image.
    func allReferences() throws(ImageStoreError) -> [Reference: Digest] {
        var references: [Reference: Digest] = [:]
        func collect(_ prefix: String) throws(SystemError) {
            for name in try FileTree.names(in: "\(layout.references)/\(prefix)") {
                if name.hasSuffix("+") {
                    try collect("\(prefix)\(name)/")
                } else if let reference = ReferenceName.decode(prefix + name) {
                    references[reference] = try digest(inReference: "\(layout.references)/\(prefix)\(name)")
                }
            }
        }
        try reporting { () throws(SystemError) in try collect("") }
        return references
    }

    /// The image that a reference's file names; `nil` when there is no such image, as after a removal that was killed.
    func digest(inReference path: String) throws(SystemError) -> Digest? {
        let content = try FileTree.read(path, limit: 4096)
        guard let digest = try? Digest(String(decoding: content.filter { $0 > 32 }, as: UTF8.self)),
            FileTree.exists(layout.record(digest))
        else { return nil }
        return digest
    }
}
