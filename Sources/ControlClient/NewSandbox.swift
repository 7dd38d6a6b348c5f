import Glibc
import ImageStore
import OCI
import SandboxState

/// What a new sandbox is made from: an image, and what the user wants of it.
public struct NewSandbox: Sendable {
    /// The image as the user wrote it.
    public var reference: String
    /// The image in the store.
    public var image: StoredImage
    /// A name.
    public var name: SandboxName?
    /// The user's own names and values.
    public var labels: [String: String] = [:]
    /// What the machine has.
    public var limits = SandboxLimits()
    /// `NAME=VALUE` pairs over the image's own.
    public var environment: [String] = []
    /// Replaces the image's working directory.
    public var workingDirectory: String?
    /// Replaces the image's user.
    public var user: String?
    /// Replaces the image's entrypoint, and drops its command; empty for none.
    public var entrypoint: String?
    /// Replaces the image's command.
    public var command: [String] = []
    /// Whether emulation is refused.
    public var requireKVM = false
    /// Whether it goes when it stops.
    public var removesItself = false
    /// Whether it ends with the client that starts it.
    public var endsWithClient = false
    /// When its machine is started again.
    public var restart = RestartPolicy.never
    /// What becomes of it when it was idle for as long as it may be.
    public var idleAction: IdleAction?
    /// Directories outside the overlay.
    public var scratch: [String] = []
    /// What it shows of the host, and in memory.
    public var mounts: [SandboxMount] = []
    /// What its network is to be.
    public var network = NetworkSettings()

    private let configuration: ImageConfiguration

    /// A sandbox from an image, with the usual limits.
    /// - Throws: `ImageStoreError` when the image's configuration cannot be read.
    public init(_ reference: String, _ image: StoredImage) throws {
        self.reference = reference
        self.image = image
        configuration = try image.configuration
    }

    /// Where its processes start from.
    public var defaults: ProcessDefaults {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ProcessDefaults(
            environment: EnvironmentList.merged([path] + configuration.environment + environment + placeholders),
            workingDirectory: workingDirectory ?? configuration.workingDirectory, user: user ?? configuration.user)
    }

    /// What stands for the sandbox's secrets.
    private var placeholders: [String] {
        (network.interception?.secrets ?? []).map { "\($0.name)=\($0.description.placeholder)" }
    }

    /// The program and arguments that image and user together name; empty when they name none.
    public var arguments: [String] {
        // As with Docker, another entrypoint also drops the image's own command.
        let first = entrypoint.map { $0.isEmpty ? [] : [$0] } ?? configuration.entrypoint
        return first + (command.isEmpty && entrypoint == nil ? configuration.command : command)
    }

    /// The record of the sandbox.
    /// - Parameters:
    ///   - main: the process it is for, if any.
    ///   - installation: where kernel and agent are.
    /// - Throws: `StateError` when the installation is incomplete, or the mounts do not go together.
    public func record(
        main: JobSpecification? = nil, kernel: String? = nil, _ installation: Installation
    ) throws(StateError) -> SandboxRecord {
        try SandboxMount.check(mounts, scratch: scratch)
        let kernel = if let kernel { kernel } else { try installation.kernel() }
        var record = SandboxRecord(
            id: SandboxID(), name: name, image: reference, imageDigest: "\(image.digest)", limits: limits,
            requireKVM: requireKVM, kernel: kernel,
            initramfs: try installation.initramfs(), created: Int64(time(nil)), defaults: defaults, main: main,
            removesItself: removesItself, endsWithClient: endsWithClient)
        record.labels = labels
        record.restart = restart
        record.idleAction = idleAction
        record.scratch = scratch
        record.mounts = mounts
        record.networkSettings = network
        return record
    }
}

/// `NAME=VALUE` pairs.
public enum EnvironmentList {
    /// Later pairs replace earlier ones of the same name, in place.
    public static func merged(_ pairs: [String]) -> [String] {
        var names: [Substring: Int] = [:]
        var result: [String] = []
        for pair in pairs {
            let name = pair.prefix { $0 != "=" }
            if let index = names[name] {
                result[index] = pair
            } else {
                names[name] = result.count
                result.append(pair)
            }
        }
        return result
    }
}
