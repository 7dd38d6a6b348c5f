import NetworkAddress
import SandboxState

/// What is said to a proxy before a connection through it carries anything, as a value: bytes to send, and what to make of
/// the answers. It takes no byte that belongs to the connection itself, and tells nothing of what the proxy writes but
/// numbers.
struct ProxyHandshake {
    /// How it goes on.
    enum Step: Equatable {
        /// More of the answer has to come.
        case needMore
        /// So many bytes were the answer; send these, and wait for the next one.
        case send([UInt8], after: Int)
        /// So many bytes were the answer: the connection is made.
        case done(after: Int)
        /// The proxy refuses, or is none; why.
        case refused(Refused)
    }

    /// Why there is no connection.
    enum Refused: Equatable {
        /// Whoever listens at the other side does not.
        case connection
        /// The other side cannot be reached.
        case unreachable
        /// The proxy does not want to.
        case prohibited(String)
    }

    private enum State {
        /// Of HTTP.
        case response
        /// Of SOCKS: how we may say who we are, whether that is right, and what became of the connection.
        case method, authentication, reply
    }

    /// The ways of SOCKS to say who one is (RFC 1928 section 3).
    private enum Method {
        static let none: UInt8 = 0
        static let password: UInt8 = 2
        static let unacceptable: UInt8 = 0xff
    }

    /// The longest answer, in bytes.
    static let longestAnswer = 16_384

    private var state: State
    private let endpoint: Endpoint
    private let name: DomainName?
    private let credentials: ProxyCredentials?

    /// The first bytes to send.
    let greeting: [UInt8]

    /// A handshake for a connection to `endpoint`, which the proxy hears of by `name` where there is one.
    init(
        _ scheme: UpstreamProxy.Scheme, to endpoint: Endpoint, _ name: DomainName?, _ credentials: ProxyCredentials?
    ) {
        (self.endpoint, self.name, self.credentials) = (endpoint, name, credentials)
        switch scheme {
        case .http:
            let target = name.map { "\($0):\(endpoint.port)" } ?? "\(endpoint)"
            let authorization = credentials.map { "Proxy-Authorization: \($0.basic)\r\n" } ?? ""
            greeting = Array("CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\(authorization)\r\n".utf8)
            state = .response
        case .socks5:
            // Version 5, and the methods.
            greeting = credentials == nil ? [5, 1, Method.none] : [5, 2, Method.none, Method.password]
            state = .method
        }
    }

    /// Looks at all that has come and was not taken yet.
    mutating func next(_ bytes: [UInt8]) -> Step {
        switch state {
        case .response: response(bytes)
        case .method: method(bytes)
        case .authentication: authentication(bytes)
        case .reply: reply(bytes)
        }
    }

    // MARK: HTTP

    private func response(_ bytes: [UInt8]) -> Step {
        let noHTTP = Step.refused(.prohibited("the proxy does not speak HTTP"))
        let version = Array("HTTP/1.".utf8)
        guard zip(bytes, version).allSatisfy({ $0 == $1 }) else { return noHTTP }
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
            return bytes.count < Self.longestAnswer ? .needMore : .refused(.prohibited("the proxy's answer has no end"))
        }
        let line = bytes.prefix { $0 != UInt8(ascii: "\r") }
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, words[0].starts(with: version), words[1].count == 3,
            words[1].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let status = Int(String(decoding: words[1], as: UTF8.self))
        else { return noHTTP }
        switch status {
        case 200...299: return .done(after: end.upperBound)
        // Some say it as a server of the web would.
        case 401, 407: return .refused(.prohibited(unwelcome))
        case 500...599: return .refused(.unreachable)
        default: return .refused(.prohibited("the proxy answers \(status)"))
        }
    }

    /// Why it is that the proxy does not take us for who we say that we are.
    private var unwelcome: String {
        credentials == nil
            ? "the proxy asks for a user and a password; see --proxy" : "the proxy does not take this user and password"
    }

    // MARK: SOCKS

    private static let noSOCKS = Step.refused(.prohibited("the proxy does not speak SOCKS 5"))

    private mutating func method(_ bytes: [UInt8]) -> Step {
        guard let version = bytes.first else { return .needMore }
        guard version == 5 else { return Self.noSOCKS }
        guard bytes.count >= 2 else { return .needMore }
        switch (bytes[1], credentials) {
        case (Method.none, _):
            state = .reply
            return .send(request, after: 2)
        case (Method.password, let credentials?):
            state = .authentication
            return .send(Self.authentication(credentials), after: 2)
        case (Method.unacceptable, nil): return .refused(.prohibited(unwelcome))
        case (Method.unacceptable, _): return .refused(.prohibited("the proxy takes no user and password"))
        default: return Self.noSOCKS
        }
    }

    /// User and password (RFC 1929 section 2).
    private static func authentication(_ credentials: ProxyCredentials) -> [UInt8] {
        [1, UInt8(clamping: credentials.user.count)] + credentials.user + [UInt8(clamping: credentials.password.count)]
            + credentials.password
    }

    private mutating func authentication(_ bytes: [UInt8]) -> Step {
        guard bytes.count >= 2 else { return .needMore }
        // The version is that of the negotiation; some servers send that of SOCKS.
        guard bytes[0] == 1 || bytes[0] == 5 else { return Self.noSOCKS }
        guard bytes[1] == 0 else { return .refused(.prohibited(unwelcome)) }
        state = .reply
        return .send(request, after: 2)
    }

    /// CONNECT with a name or an address (RFC 1928 section 4).
    private var request: [UInt8] {
        let destination: [UInt8]
        if let name {
            destination = [3, UInt8(clamping: name.text.utf8.count)] + Array(name.text.utf8)
        } else {
            destination = [endpoint.address.isV4 ? 1 : 4] + endpoint.address.bytes
        }
        return [5, 1, 0] + destination + [UInt8(endpoint.port >> 8), UInt8(endpoint.port & 255)]
    }

    private func reply(_ bytes: [UInt8]) -> Step {
        guard let version = bytes.first else { return .needMore }
        guard version == 5 else { return Self.noSOCKS }
        guard bytes.count >= 2 else { return .needMore }
        // The rest of a refusal tells nothing.
        switch bytes[1] {
        case 0: break
        case 3, 4, 6: return .refused(.unreachable)
        case 5: return .refused(.connection)
        default: return .refused(.prohibited("the proxy answers \(bytes[1])"))
        }
        guard bytes.count >= 5 else { return .needMore }
        let length: Int
        switch bytes[3] {
        case 1: length = 10
        case 3: length = 7 + Int(bytes[4])
        case 4: length = 22
        default: return Self.noSOCKS
        }
        return bytes.count >= length ? .done(after: length) : .needMore
    }
}
