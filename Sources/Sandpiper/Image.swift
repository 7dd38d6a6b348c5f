import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// An image in the store, from which sandboxes are made.
public struct Image: Sendable, Hashable {
    /// The digest of its manifest: its identity.
    public let digest: String
    /// The references that name it, sorted, as a user would write them.
    public let names: [String]
    /// What it runs on, for example `linux/amd64`.
    public let platform: String
    /// When it was made, in RFC 3339, if it tells.
    public let created: String?
    /// Size of its disk in bytes.
    public let size: Int64

    private let host: SandboxHost

    private init(_ image: StoredImage, _ host: SandboxHost) {
        digest = "\(image.digest)"
        names = image.references.map(\.familiar)
        platform = "\(image.record.platform)"
        created = image.record.created
        size = image.record.size
        self.host = host
    }

    /// All images, those with names first.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [Image] {
        try await blocking { try store(host.resolved()).images().map { Image($0, host) } }
    }

    /// Finds an image.
    /// - Parameters:
    ///   - reference: a reference in any spelling, or at least 4 digits of a digest that begin no other image's.
    ///   - host: where to look.
    /// - Throws: ``SandpiperError/imageNotFound(_:)``.
    public static func find(_ reference: String, on host: SandboxHost = SandboxHost()) async throws -> Image {
        try await blocking { Image(try store(host.resolved()).resolve(reference), host) }
    }

    /// Fetches an image from its registry. Cancelling the task ends that.
    /// - Throws: ``SandpiperError/pullFailed(image:reason:)``, `CancellationError`.
    public static func pull(_ reference: String, on host: SandboxHost = SandboxHost()) async throws -> Image {
        let resolved = try await blocking { try host.resolved() }
        try await fetch(reference, on: resolved)
        return try await find(reference, on: host)
    }

    /// Removes the image with all its names, and what no other image needs of it.
    /// - Throws: ``SandpiperError/refused(_:)`` when sandboxes use it.
    public func remove() async throws {
        let resolved = try await blocking { [host] in try host.resolved() }
        for name in names.isEmpty ? [digest] : names {
            let ending = try await Program.run("sandpiper-image", ["rmi", "--", name], on: resolved)
            guard ending.status == 0 else { throw SandpiperError.refused(ending.message) }
        }
    }

    // MARK: For sandboxes

    /// The image that a sandbox is to be made from.
    static func stored(_ reference: String, _ policy: PullPolicy, on host: ResolvedHost) async throws -> StoredImage {
        if policy == .always { try await fetch(reference, on: host) }
        do { return try await usable(reference, on: host) } catch SandpiperError.imageNotFound {
            guard policy == .missing, (try? Reference(reference)) != nil else {
                throw SandpiperError.imageNotFound(reference)
            }
        }
        try await fetch(reference, on: host)
        return try await usable(reference, on: host)
    }

    private static func usable(_ reference: String, on host: ResolvedHost) async throws -> StoredImage {
        try await blocking {
            let image = try store(host).resolve(reference)
            let platform = image.record.platform
            guard platform.os.isEmpty && platform.architecture.isEmpty || Platform.host.rank(of: platform) != nil else {
                throw SandpiperError.imageUnusable(
                    "the image \(image.name) is for \(platform), machines here run \(Platform.host)")
            }
            return image
        }
    }

    private static func fetch(_ reference: String, on host: ResolvedHost) async throws {
        let ending = try await Program.run("sandpiper-image", ["pull", "--", reference], on: host)
        guard ending.status == 0 else { throw SandpiperError.pullFailed(image: reference, reason: ending.message) }
    }

    private static func store(_ host: ResolvedHost) throws -> ImageStore {
        let store = try ImageStore(home: host.home.path)
        try store.sweep()
        return store
    }
}
