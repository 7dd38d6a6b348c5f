/// What makes a booted machine this sandbox: sent once, before any process of the user.
///
/// The agent applies all of it or refuses; without its confirmation there is no sandbox.
public struct MachineConfiguration: Equatable, Sendable {
    /// Fresh random bytes for the kernel's generator: 32...512.
    public var entropy: [UInt8]
    /// Wall clock in nanoseconds since 1970-01-01 00:00 UTC, as the host reads it just before sending.
    public var wallClock: UInt64
    /// Host name: 1...63 of `[A-Za-z0-9-]`.
    public var hostName: String
    /// Machine id as in machine-id(5): 32 lower-case hexadecimal digits.
    public var machineID: String
    /// Hardware address of the network device: 6 bytes, neither a group's nor all zero.
    public var mac: [UInt8]
    /// Addresses of the network device with the lengths of their prefixes, as `192.0.2.7/24` or `2001:db8::7/64`.
    public var addresses: [String]
    /// Serial number (as in `/sys/block/*/serial`) of the read-only EROFS disk of the image.
    public var imageDisk: String
    /// Serial number of the writable ext4 disk.
    public var upperDisk: String
    /// Whether the writable disk is a copy of the one that the machine had when it was frozen, and never used since.
    public var upperIsFresh: Bool
    /// Further mounts, in order, after the root is in place.
    public var mounts: [Mount]
    /// `NAME=VALUE` pairs that every process starts from; a process's own environment overrides them.
    public var environment: [String]
    /// Limits on what all processes together may use.
    public var limits: Limits
    /// What its programs are to trust beside what the image has them trust; `nil` for nothing.
    public var trust: Trust?

    /// A file system to mount inside the sandbox.
    public struct Mount: Equatable, Sendable {
        /// File system type, for example `tmpfs`.
        public var type: String
        /// What is mounted, for example `tmpfs`.
        public var source: String
        /// Absolute path in the sandbox; made when it is not there.
        public var target: String
        /// File system options, comma-separated, for example `size=64m,mode=1777`.
        public var options: String
        /// Whether writing is refused.
        public var readOnly: Bool

        /// The type of a directory that lies on the writable disk itself and not in the overlay; its source is a number
        /// that tells it from others.
        public static let scratch = "scratch"

        /// Makes a mount.
        public init(type: String, source: String, target: String, options: String = "", readOnly: Bool = false) {
            self.type = type
            self.source = source
            self.target = target
            self.options = options
            self.readOnly = readOnly
        }
    }

    /// Limits of a whole sandbox; 0 leaves the kernel's own.
    public struct Limits: Equatable, Sendable {
        /// Most processes and threads at one time.
        public var processes: UInt32
        /// Most open files of one process (`RLIMIT_NOFILE`, soft and hard).
        public var openFiles: UInt32

        /// Makes limits.
        public init(processes: UInt32 = 0, openFiles: UInt32 = 0) {
            self.processes = processes
            self.openFiles = openFiles
        }
    }

    /// A certificate authority that programs are to trust. Paths are absolute, and resolved in the sandbox.
    public struct Trust: Equatable, Sendable {
        /// Its certificate (PEM).
        public var certificate: String
        /// Where the certificate alone is written.
        public var certificatePath: String
        /// Where a bundle is written that is the sandbox's own, or else ``fallbackBundle``, with the certificate at its end.
        public var bundlePath: String
        /// The bundles that programs read, in order: the certificate is added to each that is there, and the first is the
        /// sandbox's own.
        public var bundles: [String]
        /// Directories from which bundles are made anew: the certificate is written to each that is there.
        public var sourceDirectories: [String]
        /// Certificates (PEM) for a sandbox without a bundle.
        public var fallbackBundle: String

        /// Makes what is to be trusted.
        public init(
            certificate: String, certificatePath: String, bundlePath: String, bundles: [String],
            sourceDirectories: [String], fallbackBundle: String = ""
        ) {
            self.certificate = certificate
            self.certificatePath = certificatePath
            self.bundlePath = bundlePath
            self.bundles = bundles
            self.sourceDirectories = sourceDirectories
            self.fallbackBundle = fallbackBundle
        }
    }

    /// Makes a configuration.
    public init(
        entropy: [UInt8], wallClock: UInt64, hostName: String, machineID: String, mac: [UInt8],
        addresses: [String] = [], imageDisk: String = "image", upperDisk: String = "upper",
        upperIsFresh: Bool = false, mounts: [Mount] = [], environment: [String] = [], limits: Limits = Limits(),
        trust: Trust? = nil
    ) {
        self.entropy = entropy
        self.wallClock = wallClock
        self.hostName = hostName
        self.machineID = machineID
        self.mac = mac
        self.addresses = addresses
        self.imageDisk = imageDisk
        self.upperDisk = upperDisk
        self.upperIsFresh = upperIsFresh
        self.mounts = mounts
        self.environment = environment
        self.limits = limits
        self.trust = trust
    }

    init(decoding payload: [UInt8]) throws(ProtocolError) {
        var reader = ByteReader(payload)
        entropy = try reader.data()
        guard (32...512).contains(entropy.count) else { throw .badField("entropy") }
        wallClock = try reader.unsigned64()
        hostName = try reader.string()
        machineID = try reader.string()
        mac = try reader.data()
        guard mac.count == 6 else { throw .badField("mac") }
        addresses = try reader.list { reader throws(ProtocolError) in try reader.string() }
        imageDisk = try reader.string()
        upperDisk = try reader.string()
        upperIsFresh = try reader.boolean()
        mounts = try reader.list { reader throws(ProtocolError) in
            Mount(
                type: try reader.string(), source: try reader.string(), target: try reader.string(),
                options: try reader.string(), readOnly: try reader.boolean())
        }
        environment = try reader.list { reader throws(ProtocolError) in try reader.string() }
        limits = Limits(processes: try reader.unsigned32(), openFiles: try reader.unsigned32())
        if try reader.boolean() { trust = try Trust(&reader) }
        try reader.finish()
    }

    func encode(into writer: inout ByteWriter) {
        writer.data(entropy)
        writer.unsigned64(wallClock)
        writer.string(hostName)
        writer.string(machineID)
        writer.data(mac)
        writer.list(addresses) { writer, address in writer.string(address) }
        writer.string(imageDisk)
        writer.string(upperDisk)
        writer.boolean(upperIsFresh)
        writer.list(mounts) { writer, mount in
            writer.string(mount.type)
            writer.string(mount.source)
            writer.string(mount.target)
            writer.string(mount.options)
            writer.boolean(mount.readOnly)
        }
        writer.list(environment) { writer, variable in writer.string(variable) }
        writer.unsigned32(limits.processes)
        writer.unsigned32(limits.openFiles)
        writer.boolean(trust != nil)
        trust?.encode(into: &writer)
    }
}

extension MachineConfiguration.Trust {
    fileprivate init(_ reader: inout ByteReader) throws(ProtocolError) {
        certificate = try reader.string()
        certificatePath = try reader.string()
        bundlePath = try reader.string()
        bundles = try reader.list { reader throws(ProtocolError) in try reader.string() }
        sourceDirectories = try reader.list { reader throws(ProtocolError) in try reader.string() }
        fallbackBundle = try reader.string()
    }

    fileprivate func encode(into writer: inout ByteWriter) {
        writer.string(certificate)
        writer.string(certificatePath)
        writer.string(bundlePath)
        writer.list(bundles) { writer, path in writer.string(path) }
        writer.list(sourceDirectories) { writer, path in writer.string(path) }
        writer.string(fallbackBundle)
    }
}
