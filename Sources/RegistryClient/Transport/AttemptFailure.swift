import AsyncHTTPClient
import Glibc
import LinuxSystem
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OCI

/// Why one attempt failed, and whether another one may succeed.
struct AttemptFailure: Error {
    let error: RegistryError
    /// Whether the same request may well succeed later.
    let isTransient: Bool
    /// How long the server asks to wait before that.
    var pause: Duration?
    /// Whether there was no connection at all.
    var isUnreachable = false
    /// Whether the other side speaks no TLS, as far as can be told.
    var isWithoutTLS = false

    /// A failure that lasts.
    init(_ error: RegistryError) {
        self.error = error
        isTransient = false
    }

    /// A failure that may pass.
    init(transient error: RegistryError, pause: Duration? = nil) {
        self.error = error
        isTransient = true
        self.pause = pause
    }

    /// Understands what the HTTP client and the network throw. Nothing of a header's value gets into the message.
    /// - Parameter what: what the request was for.
    init(_ error: any Error, _ what: String, host: String) {
        func broken(_ reason: String) -> AttemptFailure {
            AttemptFailure(transient: .connection(what, host: host, reason: reason))
        }
        switch error {
        case let failure as AttemptFailure: self = failure
        case let error as RegistryError: self.init(error)
        case is CancellationError: self.init(.cancelled)
        case let error as TransferMeter.Slowness:
            self.init(transient: .tooSlow(what, host: host, reason: error.reason))
        case let error as HTTPParserError:
            switch error {
            case .headerOverflow:
                self.init(.invalidAnswer(what, host: host, reason: "its header fields are too large"))
            case .invalidEOFState: self = broken("it was closed in the middle of an answer")
            default: self.init(.invalidAnswer(what, host: host, reason: "it does not speak HTTP (\(error))"))
            }
        case let error as HTTPClientError where error == .cancelled: self.init(.cancelled)
        case let error as HTTPClientError where error == .bodyLengthMismatch:
            self.init(.mismatch(what, expected: "as many bytes as its descriptor says", found: "another number"))
        case let error as HTTPClientError: self = broken(error.shortDescription.lowercased())
        case let error as NIOSSLError: self = Self.tls(error, what, host)
        case is NIOSSLExtraError:
            self.init(.certificate(what, host: host, reason: "it is for another host"))
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first?.error {
                self.init(first, what, host: host)
            } else {
                self = broken("its name cannot be resolved")
            }
            isUnreachable = true
        case ChannelError.connectTimeout(_): self = broken("it took longer than the limit connectTime")
        case let error as IOError:
            self = broken("\(SystemError("network", number: error.errnoCode))")
            isUnreachable = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode)
        default: self = broken("\(error)")
        }
    }

    private static func tls(_ error: NIOSSLError, _ what: String, _ host: String) -> AttemptFailure {
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return AttemptFailure(
                .certificate(
                    what, host: host,
                    reason: "it has expired, or no known authority has signed it; name its own with --ca-cert FILE"))
        }
        let reason =
            text.contains("WRONG_VERSION_NUMBER") ? "what answers there does not speak TLS" : "TLS failed: \(text)"
        var failure = AttemptFailure(transient: .connection(what, host: host, reason: reason))
        failure.isWithoutTLS = true
        return failure
    }
}
