import Glibc
import NetworkStack

extension Refusal {
    /// What the guest is told when the host's kernel has told this errno.
    init(_ error: Int32) {
        switch error {
        case EHOSTUNREACH, EHOSTDOWN, EADDRNOTAVAIL: self = .hostUnreachable
        case ENETUNREACH, ENETDOWN, EAFNOSUPPORT, EINVAL: self = .networkUnreachable
        case EACCES, EPERM: self = .prohibited
        // The guest has waited as long by now, and gives up by itself.
        case ETIMEDOUT: self = .silent
        default: self = .reset
        }
    }
}
