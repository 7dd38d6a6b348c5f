import NetworkAddress
import SandboxState
import Testing

@testable import Gateway

private let four = Endpoint(.v4(IPv4Address(192, 0, 2, 10)), 443)
private let six = Endpoint(.v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 0x10)), 8000)

private func credentials(_ text: String = "ann:s%3Acret") throws -> ProxyCredentials {
    try ProxyCredentials(userInfo: text)
}

/// Says an answer to a handshake, in pieces of so many bytes, each with all that was not taken yet.
private func hear(
    _ answer: [UInt8], by handshake: ProxyHandshake, step: Int = .max
) -> (said: [[UInt8]], rest: [UInt8], end: ProxyHandshake.Step) {
    var (handshake, said, pending, place) = (handshake, [[UInt8]](), [UInt8](), 0)
    while true {
        let end = answer.count - place > step ? place + step : answer.count
        pending += answer[place..<end]
        place = end
        while true {
            let next = handshake.next(pending)
            guard case .send(let bytes, let count) = next else {
                if case .done(let count) = next { return (said, Array(pending.dropFirst(count)), next) }
                if next == .needMore, place < answer.count { break }
                return (said, pending, next)
            }
            said.append(bytes)
            pending.removeFirst(count)
        }
    }
}

@Suite("What is said to a proxy that speaks HTTP")
struct HTTPProxyTests {
    private func handshake(_ credentials: ProxyCredentials? = nil, _ name: DomainName? = nil) -> ProxyHandshake {
        ProxyHandshake(.http, to: four, name, credentials)
    }

    private func end(_ answer: String, _ credentials: ProxyCredentials? = nil) -> ProxyHandshake.Step {
        hear(Array(answer.utf8), by: handshake(credentials)).end
    }

    @Test("it is told the address, or the name, and who asks")
    func greeting() throws {
        func text(_ handshake: ProxyHandshake) -> String { String(decoding: handshake.greeting, as: UTF8.self) }
        #expect(text(handshake()) == "CONNECT 192.0.2.10:443 HTTP/1.1\r\nHost: 192.0.2.10:443\r\n\r\n")
        let named = handshake(try credentials(), DomainName("api.example.com"))
        let wanted =
            "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n"
            + "Proxy-Authorization: Basic YW5uOnM6Y3JldA==\r\n\r\n"
        #expect(text(named) == wanted)
        #expect(text(ProxyHandshake(.http, to: six, nil, nil)).hasPrefix("CONNECT [2001:db8::10]:8000 HTTP/1.1\r\n"))
    }

    @Test("an answer is taken whole, in however many pieces it comes, and no byte of what follows", arguments: 1...64)
    func pieces(_ step: Int) {
        let answer = Array("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n".utf8)
        let (said, rest, end) = hear(answer + Array("SSH-2.0".utf8), by: handshake(), step: step)
        #expect(said == [] && end == .done(after: answer.count))
        #expect(Array("SSH-2.0".utf8).starts(with: rest))
    }

    @Test("a refusal is one, and of which kind; what the proxy writes is not repeated")
    func refusals() throws {
        #expect(end("HTTP/1.1 403 evil text\r\n\r\n") == .refused(.prohibited("the proxy answers 403")))
        for status in [500, 502, 503, 504] { #expect(end("HTTP/1.0 \(status) x\r\n\r\n") == .refused(.unreachable)) }
        let asked = "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n"
        #expect(end(asked) == .refused(.prohibited("the proxy asks for a user and a password; see --proxy")))
        #expect(
            end(asked, try credentials()) == .refused(.prohibited("the proxy does not take this user and password")))
    }

    @Test(
        "what is no answer is refused, as soon as that is clear",
        arguments: [
            "SSH-2.0-server", "H", "HTTQ", "HTTP/2 200\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n",
            "HTTP/1.1 +20 x\r\n\r\n", "HTTP/1.1 \u{661}00 x\r\n\r\n", "HTTP/1.1 20 x\r\n\r\n", "\r\n\r\n", "\u{5}\u{0}",
        ])
    func noAnswer(_ text: String) {
        // A beginning that may become one is not judged yet.
        guard !"HTTP/1.".hasPrefix(text) else {
            #expect(end(text) == .needMore)
            return
        }
        #expect(end(text) == .refused(.prohibited("the proxy does not speak HTTP")))
    }

    @Test("an answer without end is refused at its bound")
    func endless() {
        let line = Array("HTTP/1.1 200 ".utf8)
        let long = line + [UInt8](repeating: 0x78, count: ProxyHandshake.longestAnswer - line.count)
        #expect(hear(long.dropLast(), by: handshake()).end == .needMore)
        #expect(hear(long, by: handshake()).end == .refused(.prohibited("the proxy's answer has no end")))
    }
}

@Suite("What is said to a proxy that speaks SOCKS")
struct SOCKSProxyTests {
    private func handshake(_ credentials: ProxyCredentials? = nil, _ name: DomainName? = nil) -> ProxyHandshake {
        ProxyHandshake(.socks5, to: four, name, credentials)
    }

    private static let request: [UInt8] = [5, 1, 0, 1, 192, 0, 2, 10, 1, 0xbb]
    private static let made: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

    @Test("it is told the address, or the name")
    func requests() {
        #expect(handshake().greeting == [5, 1, 0])
        #expect(hear([5, 0], by: handshake()).said == [Self.request])
        let named = hear([5, 0], by: handshake(nil, DomainName("a.example"))).said
        #expect(named == [[5, 1, 0, 3, 9] + Array("a.example".utf8) + [1, 0xbb]])
        let other = hear([5, 0], by: ProxyHandshake(.socks5, to: six, nil, nil)).said
        #expect(other == [[5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [0x10, 0x1f, 0x40]])
    }

    @Test("it hears user and password when it asks for them, and only then", arguments: 1...16)
    func password(_ step: Int) throws {
        let handshake = handshake(try credentials())
        #expect(handshake.greeting == [5, 2, 0, 2])
        let (said, rest, end) = hear([5, 2, 1, 0] + Self.made + [9, 9], by: handshake, step: step)
        #expect(said.count == 2 && said.last == Self.request)
        #expect(said.first == [1, 3] + Array("ann".utf8) + [6] + Array("s:cret".utf8))
        #expect(end == .done(after: 10) && [9, 9].starts(with: rest))
        #expect(hear([5, 0] + Self.made, by: handshake).said == [Self.request])
    }

    @Test("a password that is not taken, or asked for where there is none, is told of")
    func wrongPassword() throws {
        let known = handshake(try credentials())
        #expect(
            hear([5, 2, 1, 1], by: known).end
                == .refused(.prohibited("the proxy does not take this user and password")))
        #expect(
            hear([5, 0xff], by: handshake()).end
                == .refused(.prohibited("the proxy asks for a user and a password; see --proxy")))
        #expect(hear([5, 0xff], by: known).end == .refused(.prohibited("the proxy takes no user and password")))
    }

    @Test("a method that was not offered, and what is no SOCKS, is refused at once")
    func noSOCKS() throws {
        let refused = ProxyHandshake.Step.refused(.prohibited("the proxy does not speak SOCKS 5"))
        #expect(hear([5, 2], by: handshake()).end == refused)
        #expect(hear([5, 1], by: handshake(try credentials())).end == refused)
        for answer in [[4], [72], [5, 0, 4], [5, 0, 5, 0, 0, 2, 0], [5, 0, 5, 0, 0, 0, 0]] as [[UInt8]] {
            #expect(hear(answer, by: handshake()).end == refused, "\(answer)")
        }
        #expect(hear([5, 2, 4, 0], by: handshake(try credentials())).end == refused)
    }

    @Test("each answer means what it says, whatever kind of address it holds", arguments: 1...32)
    func replies(_ step: Int) {
        for address in [[1] + [UInt8](repeating: 1, count: 4), [4] + [UInt8](repeating: 1, count: 16), [3, 2, 97, 98]]
            as [[UInt8]]
        {
            let reply = [5, 0, 0] + address + [0, 80]
            let (_, rest, end) = hear([5, 0] + reply + [7], by: handshake(), step: step)
            #expect(end == .done(after: reply.count) && [7].starts(with: rest))
        }
        for code in [3, 4, 6] as [UInt8] {
            #expect(hear([5, 0, 5, code], by: handshake()).end == .refused(.unreachable))
        }
        #expect(hear([5, 0, 5, 5], by: handshake()).end == .refused(.connection))
        #expect(hear([5, 0, 5, 2], by: handshake()).end == .refused(.prohibited("the proxy answers 2")))
        #expect(hear([5, 0, 5, 0xff], by: handshake()).end == .refused(.prohibited("the proxy answers 255")))
    }

    @Test("an answer that is cut off anywhere is waited for")
    func cut() throws {
        let answer = [5, 2, 1, 0] + Self.made
        for count in 0..<answer.count {
            #expect(hear(Array(answer.prefix(count)), by: handshake(try credentials())).end == .needMore)
        }
    }
}
