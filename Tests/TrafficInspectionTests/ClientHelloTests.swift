import NetworkAddress
import Testing

@testable import TrafficInspection

@Suite("What clients of TLS say first")
struct ClientHelloTests {
    /// What becomes of a client's bytes when they come in pieces of this size: the hellos, how many bytes passed in all,
    /// and the last step.
    private func follow(
        _ bytes: [UInt8], pieces: Int = .max
    ) -> (hellos: [ClientHello], passed: Int, last: TLSClientTracker.Step) {
        var tracker = TLSClientTracker()
        var (held, hellos, passed) = ([UInt8](), [ClientHello](), 0)
        var last = TLSClientTracker.Step.needMore
        var start = 0
        while start < bytes.count {
            let count = min(pieces, bytes.count - start)
            held += bytes[start..<start + count]
            start += count
            loop: while true {
                last = tracker.next(held.span)
                switch last {
                case .pass(let count):
                    passed += count
                    held.removeFirst(count)
                case .hello(let hello, let count):
                    hellos.append(hello)
                    passed += count
                    held.removeFirst(count)
                case .needMore, .opaque, .malformed: break loop
                }
            }
        }
        return (hellos, passed, last)
    }

    @Test(
        "the name and the protocols that OpenSSL sends are seen, in whichever pieces they come",
        arguments: [
            (RecordedHellos.tls13, "api.example.com", 2), (RecordedHellos.tls12, "api.example.com", 0),
            (RecordedHellos.tls10, "api.example.com", 0), (RecordedHellos.unnamed, nil, 0),
            (RecordedHellos.small, "api.example.com", 60),
        ] as [([UInt8], String?, Int)])
    func recorded(bytes: [UInt8], name: String?, protocols: Int) {
        for pieces in [1, 2, 3, 5, 7, 100, .max] {
            let (hellos, passed, last) = follow(bytes, pieces: pieces)
            #expect(hellos.map(\.serverName) == [name.flatMap { DomainName($0) }])
            #expect(hellos.first?.applicationProtocols.count == protocols)
            #expect(hellos.first?.hasEncryptedHello == false)
            #expect(passed == bytes.count && last == .needMore)
        }
        for count in 0..<bytes.count {
            // Nothing passes before the hello is complete, wherever it is split.
            var tracker = TLSClientTracker()
            let part = Array(bytes.prefix(count))
            let begun = tracker.next(part.span)
            #expect(begun == .needMore)
            guard case .hello(_, bytes.count) = tracker.next(bytes.span) else {
                Issue.record("split at \(count)")
                return
            }
        }
    }

    @Test("a second hello, which a server of TLS 1.3 asked for, is seen; then nobody looks any more")
    func retried() {
        for pieces in [1, 3, 100, .max] {
            let (hellos, passed, last) = follow(RecordedHellos.retried, pieces: pieces)
            #expect(hellos.map(\.serverName?.text) == ["api.example.com", "api.example.com"])
            #expect(last == .opaque && passed == 5 + 300 + 6 + 5 + 365)
        }
    }

    @Test("a session of TLS 1.2 is not looked at after its hello")
    func session() {
        let (hellos, passed, last) = follow(RecordedHellos.session12)
        #expect(hellos.count == 1 && last == .opaque && passed == 321)
    }

    @Test("an encrypted message of TLS 1.2 is not taken for a hello, whatever its first byte")
    func resumed() {
        let finished: [UInt8] = [22, 3, 3, 0, 40, 1] + [UInt8](repeating: 0xEE, count: 39)
        let (hellos, _, last) = follow(RecordedHellos.tls12 + [20, 3, 3, 0, 1, 1] + finished)
        #expect(hellos.count == 1 && last == .opaque)
    }

    @Test("a second hello is seen in records of a byte each, and after early data")
    func hidden() {
        let message = RecordedHellos.tls12.dropFirst(5)
        let small = message.flatMap { [22, 3, 3, 0, 1, $0] as [UInt8] }
        #expect(follow(RecordedHellos.tls13 + [20, 3, 3, 0, 1, 1] + small).hellos.count == 2)
        #expect(follow(RecordedHellos.tls13 + small).hellos.count == 2)
        let early = Self.hello(extensions: [(42, [])])
        #expect(follow(early + [23, 3, 3, 0, 3, 1, 2, 3] + small, pieces: 2).hellos.count == 2)
        #expect(follow(early + [23, 3, 3, 0, 3, 1, 2, 3] + [23, 3, 3, 0, 1, 1]).last == .needMore)
    }

    /// A hello in one record, with these extensions.
    private static func hello(
        extensions: [(UInt16, [UInt8])], version: [UInt8] = [3, 3], suites: [UInt8] = [0, 2, 0x13, 1],
        tail: [UInt8] = []
    ) -> [UInt8] {
        func sized(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes }
        let all = extensions.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + sized($0.1) }
        let body = version + [UInt8](repeating: 7, count: 32) + [0] + suites + [1, 0] + sized(all) + tail
        return [22, 3, 1] + sized([1, 0] + sized(body))
    }

    private static func name(_ bytes: [UInt8]) -> [UInt8] {
        [0, UInt8(bytes.count + 3), 0, 0, UInt8(bytes.count)] + bytes
    }

    @Test("protocols are seen in the order of the client's preference, and other extensions are left alone")
    func protocols() {
        let list = [0, 12, 2] + Array("h2".utf8) + [8] + Array("http/1.1".utf8)
        let name = Self.name(Array("api.example.com".utf8))
        let bytes = Self.hello(extensions: [(0, name), (43, [2, 3, 4]), (16, list)])
        for bytes in [bytes, bytes.dropFirst(5).flatMap { [22, 3, 1, 0, 1, $0] as [UInt8] }] {
            let hello = follow(bytes).hellos.first
            #expect(hello?.applicationProtocols == ["h2", "http/1.1"].map { Array($0.utf8) })
            #expect(hello?.serverName?.text == "api.example.com")
        }
        let bare = follow(Self.hello(extensions: [])).hellos.first
        #expect(bare?.applicationProtocols == [] && bare?.serverNameBytes == nil)
    }

    @Test("what is longer than any hello is not waited for")
    func long() {
        // A byte in each record.
        func records(_ bytes: [UInt8]) -> [UInt8] { bytes.flatMap { byte in [22, 3, 1, 0, 1, byte] as [UInt8] } }
        #expect(follow([22, 3, 1, 0, 4, 1, 0, 0x80, 1]).last == .malformed)
        #expect(follow([22, 3, 1, 0, 4, 1, 0, 0x80, 0]).last == .needMore)
        let begun = records([1, 0, 0x7F, 0xFF])
        let rest = records([UInt8](repeating: 0, count: 20_000))
        #expect(follow(begun + rest.prefix(60_000)).last == .needMore)
        #expect(follow(begun + rest, pieces: 1000).last == .malformed)
    }

    @Test("ECH, real or pretended, is told, with the outer name")
    func encrypted() {
        let bytes = Self.hello(extensions: [(0, Self.name(Array("outer.example".utf8))), (0xFE0D, [0, 1, 2])])
        let hello = follow(bytes).hellos.first
        #expect(hello?.hasEncryptedHello == true && hello?.serverName?.text == "outer.example")
    }

    @Test(
        "a name that is none is kept as bytes only",
        arguments: [Array("1.2.3.4".utf8), [0], Array("a\nb".utf8), [0xC3, 0xA4], Array("a b".utf8), Array("..".utf8)])
    func noName(bytes: [UInt8]) {
        let hello = follow(Self.hello(extensions: [(0, Self.name(bytes))])).hellos.first
        #expect(hello?.serverNameBytes == bytes && hello?.serverName == nil)
    }

    @Test(
        "what is malformed is so",
        arguments: [
            // Names twice, in a list of two, of another kind, empty, longer than said.
            hello(extensions: [(0, name([97])), (0, name([98]))]),
            hello(extensions: [(0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98])]), hello(extensions: [(0, [0, 4, 1, 0, 1, 97])]),
            hello(extensions: [(0, [0, 3, 0, 0, 0])]), hello(extensions: [(0, [0, 4, 0, 0, 2, 97])]),
            hello(extensions: [(0, [])]), hello(extensions: [(0, [0, 0])]), hello(extensions: [(0, name([97]) + [0])]),
            // Protocols without any name, extensions twice, bytes after them.
            hello(extensions: [(16, [0, 1, 0])]), hello(extensions: [(16, [0, 5, 1])]),
            hello(extensions: [(10, []), (10, [])]), hello(extensions: [], tail: [0]),
            // Another version, no suites, half a suite.
            hello(extensions: [], version: [2, 0]), hello(extensions: [], suites: [0, 0]),
            hello(extensions: [], suites: [0, 1, 7]),
            // A record that is empty, too long, of another kind; a message that is no hello; two messages in one record.
            [22, 3, 1, 0, 0], [22, 3, 1, 0x40, 1, 1], [23, 3, 1, 0, 1, 1], [22, 3, 1, 0, 2, 2, 0], [22, 2, 0, 0, 1, 1],
            [0x80, 0x2E, 1, 3, 1], [22, 3, 1, 0, 8, 1, 0, 0, 2, 3, 3, 1, 0],
            // A message longer than any.
            [22, 3, 1, 0, 4, 1, 0xFF, 0xFF, 0xFF],
            // The rest of a message in a record of another kind.
            [22, 3, 1, 0, 1, 1, 23, 3, 1, 0, 1, 0],
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        for pieces in [1, .max] {
            let (hellos, passed, last) = follow(bytes, pieces: pieces)
            #expect(hellos.isEmpty && passed == 0 && last == .malformed)
        }
    }

    @Test("whatever bit is changed, or whatever is cut off, nothing traps")
    func changed() {
        for original in [RecordedHellos.tls13, RecordedHellos.retried] {
            for index in original.indices {
                for bit in 0..<8 {
                    var bytes = original
                    bytes[index] ^= 1 << bit
                    _ = follow(bytes)
                }
            }
        }
    }

    @Test(
        "the first bytes tell what is spoken",
        arguments: [
            (Array(RecordedHellos.tls13.prefix(6)), .tls), (Array(RecordedHellos.tls13.prefix(5)), nil), ([22], nil),
            ([], nil), ([22, 3, 1, 0, 1, 2], .other), ([22, 2], .other), (Array("GET / HTTP/1.1\r\n".utf8), .http),
            (Array("GET / HTTP/1.1".utf8), nil), (Array("GET / HTTP/1.0\n".utf8), .http), (Array("G".utf8), nil),
            (Array("GET /\r\n".utf8), .other), (Array("PRI * HTTP/2.0\r\n".utf8), .http2),
            (Array("SSH-2.0-OpenSSH_9.2p1 Debian\r\n".utf8), .other), (Array("EHLO me\r\n".utf8), .other),
            ([0x05, 1, 0], .other), (Array("\r\nGET / HTTP/1.1\r\n".utf8), .other), ([0x47, 0], .other),
            (Array("HTTP/1.1\r\n".utf8), .other), (Array("GET /".utf8) + [UInt8](repeating: 97, count: 9000), .http),
            ([UInt8](repeating: 97, count: 9000), .other),
        ] as [([UInt8], FirstBytes?)])
    func first(bytes: [UInt8], expected: FirstBytes?) {
        let found = FirstBytes.classify(bytes.span)
        #expect(found == expected)
    }
}
