/// What makes programs in a guest trust the interceptor's authority. Values only; whoever starts the guest carries it out.
public struct GuestTrust: Equatable, Sendable {
    /// An environment variable for all programs of the guest.
    public struct Variable: Equatable, Sendable {
        /// Its name.
        public let name: String
        /// Its value: a path in the guest.
        public let value: String
        /// The programs that read it.
        public let readers: String
    }

    /// Where the authority's certificate alone is written, for programs that add a file to what they trust.
    public let certificatePath: String
    /// Where a bundle is written that is the guest's own, or the host's where it has none, with the certificate at its end:
    /// for programs that take a file in place of what they trust.
    public let bundlePath: String

    /// Paths of the guest; the defaults lie in a directory that images have no files in.
    public init(
        certificatePath: String = "/etc/sandpiper/ca.pem", bundlePath: String = "/etc/sandpiper/ca-bundle.pem"
    ) {
        self.certificatePath = certificatePath
        self.bundlePath = bundlePath
    }

    /// The bundles of the distributions. To each that exists the certificate is appended, links followed within the guest;
    /// the first that exists is what the bundle at ``bundlePath`` begins with.
    public static let bundlePaths = [
        "/etc/ssl/certs/ca-certificates.crt",  // Debian, Ubuntu, Alpine, Arch, Gentoo
        "/etc/pki/tls/certs/ca-bundle.crt",  // Fedora, RHEL, Amazon Linux
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // what the former links to
        "/etc/ssl/ca-bundle.pem",  // SUSE
        "/etc/ssl/cert.pem",  // Alpine, and OpenSSL's own default
        "/etc/pki/tls/cert.pem",  // Fedora's OpenSSL
    ]

    /// Directories from which the distributions' tools make their bundles anew, each where it exists: the certificate is
    /// written there as `sandpiper.crt`, so that it outlives an update of the bundle.
    public static let sourceDirectories = [
        "/usr/local/share/ca-certificates",  // Debian, Ubuntu, Alpine: update-ca-certificates
        "/etc/pki/ca-trust/source/anchors",  // Fedora, RHEL: update-ca-trust
        "/etc/ca-certificates/trust-source/anchors",  // Arch
        "/etc/pki/trust/anchors",  // SUSE
    ]

    /// The variables. One that an image or a user has set already stays as it is.
    public var variables: [Variable] {
        [
            Variable(name: "SSL_CERT_FILE", value: bundlePath, readers: "OpenSSL, Go, Ruby, Rust (native roots), uv"),
            Variable(name: "CURL_CA_BUNDLE", value: bundlePath, readers: "curl"),
            Variable(name: "REQUESTS_CA_BUNDLE", value: bundlePath, readers: "Python requests"),
            Variable(name: "PIP_CERT", value: bundlePath, readers: "pip"),
            Variable(name: "GIT_SSL_CAINFO", value: bundlePath, readers: "git"),
            Variable(name: "AWS_CA_BUNDLE", value: bundlePath, readers: "the AWS command line and SDKs"),
            Variable(name: "CARGO_HTTP_CAINFO", value: bundlePath, readers: "cargo"),
            Variable(name: "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", value: bundlePath, readers: "gRPC"),
            Variable(name: "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", value: bundlePath, readers: "gcloud"),
            Variable(name: "NODE_EXTRA_CA_CERTS", value: certificatePath, readers: "Node.js"),
            Variable(name: "DENO_CERT", value: certificatePath, readers: "Deno"),
            Variable(name: "HEX_CACERTS_PATH", value: bundlePath, readers: "Hex"),
            Variable(name: "NIX_SSL_CERT_FILE", value: bundlePath, readers: "Nix"),
        ]
    }
}
