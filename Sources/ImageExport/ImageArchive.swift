/// Writes archives of images.
///
/// ```swift
/// let target = try ArchiveTarget.file("images.tar")
/// try ImageArchive.oci.save([OutgoingImage(image, names: image.references)], to: target)
/// ```
public enum ImageArchive: String, Sendable, CaseIterable {
    /// As of `docker save`: for each image its configuration, names and uncompressed layers.
    case docker
    /// A layout of the OCI image specification, in a tar archive or a directory: all digests stay what they are.
    case oci

    /// Writes images to a target, each layer once. Blocks.
    ///
    /// All that is written has been checked against its digest, else it fails. After a failure there is nothing at the
    /// target that was not there before; what went through a pipe is not whole.
    /// - Throws: ``ImageExportError``.
    public func save(_ images: [OutgoingImage], to target: ArchiveTarget) throws(ImageExportError) {
        if self == .docker, case .directory(_, let path) = target.kind { throw .directoryOfDockerArchive(path: path) }
        do throws(ImageExportError) {
            let sink = try target.open()
            switch self {
            case .docker: try DockerArchiveWriter(sink: sink).write(images)
            case .oci: try OCILayoutWriter(sink: sink).write(images)
            }
            try target.publish()
        } catch {
            target.discard()
            throw error
        }
    }
}
