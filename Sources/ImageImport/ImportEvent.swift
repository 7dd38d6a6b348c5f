import OCI

/// What happens during an import, for whoever watches. Layers are named by the digests they have where they come from.
public enum ImportEvent: Sendable, Equatable {
    /// The image has this many layers, as large as they are where they come from; those that are here already are not
    /// fetched.
    case found(layers: [ContentDescriptor], present: Set<Digest>)
    /// Some of a layer has arrived, `bytes` in all.
    case received(Digest, bytes: Int64, of: Int64)
    /// A layer has been checked and unpacked.
    case unpacked(Digest)
}
