import ForeignText
import LinuxSystem
import OCI

/// Why something at a registry could not be had or put there. No message holds a secret.
public enum RegistryError: Error, Sendable, CustomStringConvertible {
    /// The file of settings, credentials or certificates at `path` cannot be used.
    case configuration(path: String, reason: String)
    /// The environment variable of a proxy has no usable value.
    case proxy(variable: String, reason: String)
    /// A credential helper did not do its work.
    case helper(name: String, reason: String)
    /// A file could not be read or written.
    case system(SystemError)
    /// No connection to `host` came about, or it broke.
    case connection(_ what: String, host: String, reason: String)
    /// The certificate of `host` is not trusted.
    case certificate(_ what: String, host: String, reason: String)
    /// The registry has no such thing, or does not show it to this user.
    case notFound(_ what: String, host: String)
    /// The registry wants credentials, or other ones.
    case unauthorized(_ what: String, host: String, anonymous: Bool)
    /// The registry knows the user and refuses.
    case forbidden(_ what: String, host: String, message: String)
    /// The registry answered with a status that says no; `message` is its own.
    case refused(_ what: String, host: String, status: Int, message: String)
    /// A redirect was not followed.
    case redirect(_ what: String, host: String, reason: String)
    /// The transfer was slower than the limit.
    case tooSlow(_ what: String, host: String, reason: String)
    /// The answer exceeds the limit of this name.
    case limit(_ what: String, name: String, value: String)
    /// What came is not what its digest or size says.
    case mismatch(_ what: String, expected: String, found: String)
    /// The registry's answer breaks the rules of its protocol.
    case invalidAnswer(_ what: String, host: String, reason: String)
    /// What was to take the bytes of a download, or to give those of an upload, failed.
    case local(any Error)
    /// The task was cancelled.
    case cancelled

    /// One line: what was attempted, why it failed, what to do.
    public var description: String {
        switch self {
        case .configuration(let path, let reason): "\(path): \(reason.excerpt())"
        case .proxy(let variable, let reason):
            "the proxy in \(variable) cannot be used: \(reason.excerpt()); write http://HOST:PORT"
        case .helper(let name, let reason): "credential helper docker-credential-\(name.excerpt()): \(reason.excerpt())"
        case .system(let error): "\(error)"
        case .connection(let what, let host, let reason):
            "\(what): no connection to \(host.excerpt()): \(reason.excerpt())"
        case .certificate(let what, let host, let reason):
            "\(what): the certificate of \(host.excerpt()) is not trusted: \(reason.excerpt())"
        case .notFound(let what, let host):
            "\(what): not at \(host.excerpt()), or only for those who may see it: sandpiper login \(host.excerpt())"
        case .unauthorized(let what, let host, anonymous: true):
            "\(what): there is no such repository, or it needs credentials: sandpiper login \(host.excerpt())"
        case .unauthorized(let what, let host, anonymous: false):
            "\(what): \(host.excerpt()) does not accept the credentials: sandpiper login \(host.excerpt())"
        case .forbidden(let what, let host, let message):
            "\(what): \(host.excerpt()) does not permit it\(message.isEmpty ? "" : ": \(message.excerpt())")"
        case .refused(let what, let host, let status, let message):
            "\(what): \(host.excerpt()) answered with status \(status)\(message.isEmpty ? "" : ": \(message.excerpt())")"
        case .redirect(let what, let host, let reason):
            "\(what): a redirect of \(host.excerpt()) was not followed: \(reason.excerpt())"
        case .tooSlow(let what, let host, let reason):
            "\(what): \(host.excerpt()) is too slow: \(reason.excerpt()); try again later, or use a mirror"
        case .limit(let what, let name, let value): "\(what): larger than the limit \(name) of \(value)"
        case .mismatch(let what, let expected, let found):
            "\(what): not what it should be: expected \(expected.excerpt()), found \(found.excerpt())"
        case .invalidAnswer(let what, let host, let reason):
            "\(what): \(host.excerpt()) does not answer as a registry does: \(reason.excerpt())"
        case .local(let error): "\(error)"
        case .cancelled: "stopped"
        }
    }
}

extension RegistryError: Equatable {
    /// Equal are errors that tell the same.
    public static func == (left: RegistryError, right: RegistryError) -> Bool { left.description == right.description }
}
