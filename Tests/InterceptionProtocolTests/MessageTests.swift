import Glibc
import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import Testing

@Suite("Messages between gateway and interceptor")
struct MessageTests {
    private let secret = SecretDescription(
        name: "TOKEN", placeholder: "sandpiper-secret-0123456789",
        hosts: [HostPattern("api.example.com"), HostPattern("*.example.org:8443")].compactMap { $0 })

    @Test("a configuration arrives whole, with values that no coder has seen and that are wiped afterwards")
    func configuration() throws {
        let (gateway, other) = try InterceptionSocket.pair()
        var other2 = secret
        other2.name = "OTHER"
        other2.placeholder = "sandpiper-secret-9876543210"
        var configuration = InterceptionConfiguration(authorityDirectory: "/home/x/ca")
        configuration.secrets = [secret, other2]
        let values = try SecretValues()
        for value in ["value\0", "\u{1}z"] {
            try Array(value.utf8).withUnsafeBytes { try values.append($0) }
        }
        try gateway.configure(configuration, values: values.file)
        let (order, passed) = try #require(try nextOrder(other))
        #expect(order == .configure(configuration))
        let seen = try take(2, from: try #require(passed.first))
        #expect(seen == [Array("value\0".utf8), Array("\u{1}z".utf8)])
        #expect(try values.file.status().st_size == 0)
    }

    private func take(_ count: Int, from file: Descriptor) throws -> [[UInt8]] {
        let received = try ReceivedSecrets(takenFrom: file, count: count)
        var values: [[UInt8]] = []
        for index in 0..<count { values.append(received.withValue(index) { Array($0) }) }
        return values
    }

    private func nextOrder(_ socket: Descriptor) throws -> (order: InterceptionOrder, passed: [Descriptor])? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: InterceptionMessage.longestOrder, alignment: 1)
        defer { buffer.deallocate() }
        return try InterceptionSocket(socket).nextOrder(using: buffer)
    }

    @Test(
        "files that hold no values, too few or too many are refused, and emptied",
        arguments: [
            [], [0, 0, 0, 0], [0, 0, 0, 2, 65], [0, 0, 0, 1], [255, 255, 255, 255, 1],
            [0, 0, 0, 1, 65, 0, 0, 0, 1, 66],
            [0, 0, 0, 1, 65, 0],
        ] as [[UInt8]])
    func badValues(_ bytes: [UInt8]) throws {
        let file = try Descriptor.memory("values")
        try file.write(bytes)
        #expect(throws: InterceptionError.unreadable("file of values")) {
            _ = try take(1, from: file)
        }
        #expect(try file.status().st_size == 0)
    }

    @Test("a connection arrives with its two sockets")
    func connection() throws {
        let (gateway, other) = try InterceptionSocket.pair()
        let inner = try Descriptor.socketPair()
        let outer = try Descriptor.socketPair()
        let address = try #require(IPAddress("2001:db8::1"))
        let order = ConnectionOrder(
            id: .max, scheme: .tls, serverName: "api.example.com", address: address, port: 443,
            names: [try #require(HostPattern("*.example.com"))])
        try gateway.hand(order, guest: inner.0, server: outer.0)
        let (received, sockets) = try #require(try nextOrder(other))
        #expect(received == .connection(order))
        try #require(sockets.count == 2)
        try sockets[0].write(Array("guest".utf8))
        try sockets[1].write(Array("server".utf8))
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(try bytes.withUnsafeMutableBytes { try inner.1.read(into: $0) } == 5)
        #expect(try bytes.withUnsafeMutableBytes { try outer.1.read(into: $0) } == 6)
    }

    @Test("events come back as they were said, and nil when the interceptor is gone")
    func events() throws {
        let (gateway, other) = try InterceptionSocket.pair()
        let events: [InterceptionEvent] = [
            .ready(.init(authority: "PEM", missingWalls: ["files"])), .failed("no"),
            .refused(.init(id: 7, reason: .placeholder, name: "evil.example", secret: "TOKEN", detail: "x")),
            .unreplaced(.init(id: 7, reason: .placeholder, detail: "y")),
            .closed(.init(id: 7, bytesOut: .max, bytesIn: 1, requests: 2, spoken: "h2")), .omitted(3),
        ]
        let interceptor = InterceptionSocket(try other.duplicate())
        for event in events { try interceptor.say(event, waits: false) }
        for event in events { #expect(try gateway.nextEvent() == event) }
        #expect(throws: SystemError.self) { try gateway.nextEvent() }
    }

    @Test("secrets that cannot be told apart or sent are refused by name")
    func badSecrets() {
        func expectRefusal(_ change: (inout SecretDescription) -> Void, _ why: String) {
            var bad = secret
            bad.name = "BAD"
            bad.placeholder = "sandpiper-secret-bad-bad-bad"
            change(&bad)
            let configuration = InterceptionConfiguration(authorityDirectory: "/", secrets: [secret, bad])
            let error = #expect(throws: InterceptionError.self) { try configuration.check() }
            #expect(error.map { "\($0)".contains(why) } ?? false)
        }
        expectRefusal({ $0.placeholder = "short" }, "16 to 128")
        expectRefusal({ $0.placeholder = "with a space in the middle" }, "letters")
        expectRefusal({ $0.placeholder += secret.placeholder }, "part of another")
        expectRefusal({ $0.hosts = [] }, "no host")
        expectRefusal({ $0.name = "" }, "name")
    }

    @Test(
        "bytes that are no order are refused",
        arguments: ["", "{}", "[]", "{\"connection\":{}}", "{\"configure\":1}\0x"])
    func malformed(_ text: String) {
        #expect(throws: InterceptionError.self) {
            _ = try Array(text.utf8).withUnsafeBytes { bytes throws in try InterceptionMessage.order(bytes) }
        }
    }
}

@Suite("Patterns of hosts")
struct HostPatternTests {
    @Test(
        "what matches",
        arguments: [
            ("api.example.com", "api.example.com", true), ("api.example.com", "API.example.com.", true),
            ("api.example.com", "x.api.example.com", false), ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", true), ("*.example.com", "aexample.com", false),
            ("api.example.com:443", "api.example.com", true), ("api.example.com:8443", "api.example.com", false),
            ("192.0.2.1", "192.0.2.1", true), ("[2001:db8::1]:443", "2001:DB8:0::1", true),
            ("2001:db8::1", "[2001:db8::1]", true),
        ])
    func matching(pattern: String, host: String, matches: Bool) throws {
        let pattern = try #require(HostPattern(pattern))
        #expect(pattern.matches(try #require(HostName(host)), port: 443) == matches)
        #expect(HostPattern(pattern.description) == pattern)
    }

    @Test(
        "what is none",
        arguments: [
            "", "*", "*.", "a.*.b", "host:", "host:0", "host:65536", "host:+1", "[192.0.2.1]", "a b", "[::1", "::1:x",
        ])
    func none(_ text: String) { #expect(HostPattern(text) == nil) }
}
