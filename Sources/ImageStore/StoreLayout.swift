import OCI

/// Where things lie under a root: in the store itself, and in the same way in a ``Workspace``, from where they are
/// moved into the store by rename.
///
/// | path | content |
/// |---|---|
/// | `blobs/<algorithm>/<hex>` | a manifest or configuration, byte for byte |
/// | `layers/<diff id>/data` | the contents of a layer's files |
/// | `layers/<diff id>/index` | the names, modes, owners … of a layer, and where each content lies |
/// | `layers/<diff id>/archive` | the layer as it came, if it came compressed |
/// | `layers/<diff id>/archive.json` | the descriptor of that: media type, digest, size |
/// | `layers/<diff id>/tar` | of a layer that came uncompressed, a record that makes its tar archive out of `data` |
/// | `disks/<chain id>/metadata.erofs` | the EROFS metadata of a stack of layers |
/// | `images/<manifest digest>.json` | an ``ImageRecord`` |
/// | `references/…` | the digest of the image that a reference names |
/// | `lock` | held shared by readers, exclusively by whoever adds or removes |
/// | `tmp/<random>/` | half-made things, with a lock file that their maker holds |
struct StoreLayout: Sendable {
    let root: String

    var lock: String { root + "/lock" }
    var temporary: String { root + "/tmp" }
    var layers: String { root + "/layers" }
    var disks: String { root + "/disks" }
    var images: String { root + "/images" }
    var references: String { root + "/references" }

    func blobs(_ algorithm: Digest.Algorithm) -> String { "\(root)/blobs/\(algorithm.rawValue)" }
    func blob(_ digest: Digest) -> String { "\(blobs(digest.algorithm))/\(digest.hex)" }
    func layer(_ diffID: Digest) -> String { "\(layers)/\(diffID.hex)" }
    func layerData(_ diffID: Digest) -> String { layer(diffID) + "/data" }
    func layerIndex(_ diffID: Digest) -> String { layer(diffID) + "/index" }
    func layerArchive(_ diffID: Digest) -> String { layer(diffID) + "/archive" }
    func layerArchiveDescriptor(_ diffID: Digest) -> String { layer(diffID) + "/archive.json" }
    func layerRecord(_ diffID: Digest) -> String { layer(diffID) + "/tar" }
    func disk(_ chain: Digest) -> String { "\(disks)/\(chain.hex)" }
    func metadata(_ chain: Digest) -> String { disk(chain) + "/metadata.erofs" }
    func record(_ digest: Digest) -> String { "\(images)/\(digest.hex).json" }
    func reference(_ reference: Reference) -> String { "\(references)/\(ReferenceName.encode(reference))" }
}

/// The name of a reference's file.
///
/// Of the characters a reference can have only the slash cannot stand in a file name; it becomes `%2F`. A name too long
/// for the file system is cut into directories whose names end in `+`, which no reference has.
enum ReferenceName {
    static let maximumPiece = 200

    static func encode(_ reference: Reference) -> String {
        var rest = reference.canonical.utf8.flatMap { $0 == UInt8(ascii: "/") ? Array("%2F".utf8) : [$0] }[...]
        var name = ""
        while rest.count > maximumPiece {
            name += String(decoding: rest.prefix(maximumPiece), as: UTF8.self) + "+/"
            rest = rest.dropFirst(maximumPiece)
        }
        return name + String(decoding: rest, as: UTF8.self)
    }

    /// The reference whose file has this name below `references/`; `nil` when there is none.
    static func decode(_ name: String) -> Reference? {
        var text = ""
        let pieces = name.split(separator: "/", omittingEmptySubsequences: false)
        for (number, piece) in pieces.enumerated() {
            let isLast = number == pieces.count - 1
            guard piece.hasSuffix("+") != isLast else { return nil }
            text += isLast ? piece : piece.dropLast()
        }
        var canonical: [UInt8] = []
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard bytes.prefix(2).elementsEqual("2F".utf8) else { return nil }
                bytes = bytes.dropFirst(2)
                canonical.append(UInt8(ascii: "/"))
            } else {
                canonical.append(byte)
            }
        }
        return try? Reference(String(decoding: canonical, as: UTF8.self))
    }
}
