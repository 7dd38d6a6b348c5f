import Glibc
import LinuxSystem
import Sandpiper
import Testing

@Suite("What a sandbox's network tells", .needsMachines, .timeLimit(.minutes(5)))
struct NetworkEventTests {
    /// Asks for connections that are refused, to ports of an address of a private network.
    private func ask(_ ports: ClosedRange<Int>, in sandbox: Sandbox) async throws {
        _ = try await sandbox.exec([
            "sh", "-c", "for port in $(seq \(ports.lowerBound) \(ports.upperBound)); do nc -w 2 10.20.0.5 $port; done",
        ])
    }

    private func next(_ events: AsyncThrowingStream<NetworkEvent, any Error>) async throws -> NetworkEvent? {
        try await events.first { _ in true }
    }

    @Test("refusals are told as they happen, through a stop and a start, until the sandbox is removed")
    func watch() async throws {
        let sandbox = try await Sandbox.create(image: "busybox", on: TestHost.shared.host)
        let early = try await sandbox.watchNetworkEvents()
        try await ask(1...3, in: sandbox)
        for port in 1...3 { #expect(try await next(early)?.port == UInt16(port)) }
        let events = try await sandbox.watchNetworkEvents()
        // Whoever comes second hears the same.
        let other = try await sandbox.watchNetworkEvents()
        let everything = Task {
            var ports: [UInt16?] = []
            for try await event in other { ports.append(event.port) }
            return ports
        }

        async let first = next(events)
        try await ask(4...4, in: sandbox)
        let told = try #require(try await first)
        #expect(told.id == sandbox.id && told.action == .deny && told.protocol == "tcp")
        #expect(told.address == "10.20.0.5" && told.port == 4)

        try await ask(5...6, in: sandbox)
        #expect(try await next(events)?.port == 5)
        #expect(try await next(events)?.port == 6)
        #expect(try await sandbox.networkEvents().map(\.port) == [1, 2, 3, 4, 5, 6])

        try await sandbox.stop(grace: .seconds(1))
        try await sandbox.start()
        try await ask(7...7, in: sandbox)
        #expect(try await next(events)?.port == 7)

        async let last = next(events)
        try await sandbox.remove()
        #expect(try await last == nil)
        #expect(try await everything.value == [4, 5, 6, 7])
        await #expect(throws: SandpiperError.self) { try await sandbox.watchNetworkEvents() }
    }

    @Test("whoever is cancelled waits no more")
    func cancellation() async throws {
        try await TestHost.withSandbox { sandbox in
            let events = try await sandbox.watchNetworkEvents()
            let task = Task {
                var count = 0
                for try await _ in events { count += 1 }
                return count
            }
            try await ask(1...1, in: sandbox)
            task.cancel()
            #expect((0...1).contains(try await task.value))
        }
    }

    @Test("a proxy that makes no sense, or has its password outright, is refused before there is a sandbox")
    func proxy() async throws {
        let host = try await TestHost.shared.host
        for text in [
            "proxy.example.com:3128", "http://ann:secret@192.0.2.40:3128", "NO_SUCH_VARIABLE", "@/no/such/file",
        ] {
            var network = Sandbox.Network()
            network.proxy = text
            let error = await #expect(throws: SandpiperError.self) {
                try await Sandbox.create(image: "busybox", options: .init(network: network), on: host)
            }
            guard case .invalidArgument(let reason) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(!reason.contains("secret"))
        }
    }
}
