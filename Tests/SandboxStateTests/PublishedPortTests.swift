import SandboxState
import Testing

@Suite("Published ports")
struct PublishedPortTests {
    @Test(
        "a port is read with and without an address, a range and a protocol",
        arguments: [
            ("8080:80", ["127.0.0.1:8080:80"]), ("80", ["127.0.0.1:80:80"]),
            ("0.0.0.0:53:5353/udp", ["0.0.0.0:53:5353/udp"]),
            ("[::1]:1:2", ["[::1]:1:2"]), ("0:80", ["127.0.0.1:0:80"]),
            ("8000-8002:9000-9002", ["127.0.0.1:8000:9000", "127.0.0.1:8001:9001", "127.0.0.1:8002:9002"]),
            ("192.0.2.1:1-2:3-4/tcp", ["192.0.2.1:1:3", "192.0.2.1:2:4"]),
        ])
    func read(text: String, ports: [String]) throws {
        #expect(try PublishedPort.parse(text).map(\.description) == ports)
    }

    @Test(
        "what is no port is refused with the reason",
        arguments: [
            "", ":", "a:b", "80:0", "65536:1", "1:2:3:4", "1-3:1-2", "3-1:3-1", "0-1:1-2", "80/sctp", "[::1:80:80",
            "::1:80:80",
            "example.com:80:80", "-1:80", "1-1025:1-1025", "80:80/", "+1:1",
        ])
    func refused(text: String) {
        let error = #expect(throws: StateError.self) { try PublishedPort.parse(text) }
        #expect(error?.description.contains("makes no sense") == true)
    }

    @Test("a name server is an address, perhaps with a port")
    func nameServer() {
        #expect(NetworkSettings.nameServer("192.0.2.53")?.description == "192.0.2.53:53")
        #expect(NetworkSettings.nameServer("192.0.2.53:5353")?.description == "192.0.2.53:5353")
        #expect(NetworkSettings.nameServer("2001:db8::53")?.description == "[2001:db8::53]:53")
        #expect(NetworkSettings.nameServer("[2001:db8::53]:5353")?.description == "[2001:db8::53]:5353")
        for text in ["", "dns", "192.0.2.53:", "192.0.2.53:0", "[192.0.2.53", "2001:db8::53]:1", "[::1]"] {
            #expect(NetworkSettings.nameServer(text) == nil, "\(text)")
        }
    }
}
