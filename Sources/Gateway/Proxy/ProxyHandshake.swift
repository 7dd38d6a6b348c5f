import NetworkAddress

/// What is said to a proxy before a connection through it carries anything, as a value: bytes to send, and what to make of
/// the answers. It takes no byte that belongs to the connection itself.
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
        case response
        case method
        case reply
    }

    /// The longest answer, in bytes.
    static let longestAnswer = 16_384

    private var state: State
    private let target: String
    private let address: IPAddress
    private let name: DomainName?
    private let port: UInt16

    /// The first bytes to send.
    let greeting: [UInt8]

    /// A handshake for a connection to `endpoint`, by name where one is known.
    init(http endpoint: Endpoint, _ name: DomainName?) {
        (address, self.name, port) = (endpoint.address, name, endpoint.port)
        target = name.map { "\($0):\(endpoint.port)" } ?? "\(endpoint)"
        greeting = Array("CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\r\n".utf8)
        state = .response
    }

    /// The same over SOCKS 5.
    init(socks endpoint: Endpoint, _ name: DomainName?) {
        (address, self.name, port) = (endpoint.address, name, endpoint.port)
        target = ""
        // Version 5, one method: without authentication.
        greeting = [5, 1, 0]
        state = .method
    }

    /// Looks at all that has come and was not taken yet.
    mutating func next(_ bytes: [UInt8]) -> Step {
        switch state {
        case .response: return response(bytes)
        case .method:
            guard bytes.count >= 2 else { return .needMore }
            guard bytes[0] == 5, bytes[1] == 0 else { return .refused(.prohibited("the proxy asks for a password")) }
            state = .reply
            return .send(request, after: 2)
        case .reply: return reply(bytes)
        }
    }

    private func response(_ bytes: [UInt8]) -> Step {
        let ending = Array("\r\n\r\n".utf8)
        guard let end = bytes.firstRange(of: ending) else {
            return bytes.count < Self.longestAnswer ? .needMore : .refused(.prohibited("the proxy's answer has no end"))
        }
        let line = bytes.prefix { $0 != UInt8(ascii: "\r") }
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, words[0].starts(with: "HTTP/1.".utf8), words[1].count == 3,
            let status = Int(String(decoding: words[1], as: UTF8.self))
        else { return .refused(.prohibited("the proxy does not speak HTTP")) }
        switch status {
        case 200...299: return .done(after: end.upperBound)
        case 500...599: return .refused(.unreachable)
        default: return .refused(.prohibited("the proxy answers \(status)"))
        }
    }

    /// CONNECT with a name or an address (RFC 1928 section 4).
    private var request: [UInt8] {
        let destination: [UInt8]
        if let name {
            destination = [3, UInt8(clamping: name.text.utf8.count)] + Array(name.text.utf8)
        } else {
            destination = [address.isV4 ? 1 : 4] + address.bytes
        }
        return [5, 1, 0] + destination + [UInt8(port >> 8), UInt8(port & 255)]
    }

    private func reply(_ bytes: [UInt8]) -> Step {
        guard bytes.count >= 5 else { return .needMore }
        guard bytes[0] == 5 else { return .refused(.prohibited("the proxy does not speak SOCKS 5")) }
        switch bytes[1] {
        case 0: break
        case 3, 4, 6: return .refused(.unreachable)
        case 5: return .refused(.connection)
        default: return .refused(.prohibited("the proxy answers \(bytes[1])"))
        }
        let length: Int
        switch bytes[3] {
        case 1: length = 10
        case 3: length = 7 + Int(bytes[4])
        case 4: length = 22
        default: return .refused(.prohibited("the proxy does not speak SOCKS 5"))
        }
        return bytes.count >= length ? .done(after: length) : .needMore
    }
}
