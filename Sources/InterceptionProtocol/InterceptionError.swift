/// Why a message between a gateway and its interceptor, or the configuration in it, is of no use.
public enum InterceptionError: Error, Equatable, CustomStringConvertible {
    /// It is longer than messages are.
    case tooLong
    /// It is no such message.
    case unreadable(String)
    /// It should have come with two sockets, or with none.
    case wrongDescriptors(Int)
    /// A secret, by its name, cannot be used, and why.
    case badSecret(String, String)

    /// One line.
    public var description: String {
        switch self {
        case .tooLong: "a message between gateway and sandpiper-tls is longer than messages are"
        case .unreadable(let kind): "a message between gateway and sandpiper-tls is no \(kind)"
        case .wrongDescriptors(let count): "a message to sandpiper-tls came with \(count) descriptors"
        case .badSecret("", let why): "the secrets cannot be used: \(why)"
        case .badSecret(let name, let why): "secret \(name) cannot be used: \(why)"
        }
    }
}
