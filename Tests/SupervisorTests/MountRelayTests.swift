import AgentProtocol
import Glibc
import LinuxSystem
import NIOPosix
import Testing

@testable import Supervisor

/// The way between a guest and the servers of its mounts, with the test in the place of both.
@Suite(.timeLimit(.minutes(5))) struct MountRelayTests {
    private static let stream = MountRelay.firstStream

    /// Runs a relay for one mount; `body` gets the guest's and the server's end, when the mount is in place.
    /// - Returns: the frames that were passed by, and why that ended.
    private func withRelay(
        _ body: @escaping @Sendable (MountRelay, FrameStream, Descriptor) async throws -> Void
    ) async throws -> (passed: [Frame], error: (any Error)?) {
        let (port, guest) = try Descriptor.socketPair()
        let (requests, server) = try Descriptor.socketPair()
        let relay = MountRelay([0: requests], on: MultiThreadedEventLoopGroup.singleton.next())
        let channel = try await FrameChannel.frames(port, on: relay.loop, relay: relay)
        return try await channel.executeThenClose { inbound, _ in
            async let conversation: Void = {
                let frames = FrameStream(guest)
                async let placed: Void = relay.place(GuestMount(.directory, target: "/w"), 0)
                let start = try await frames.next()
                #expect(start.kind == .start && start.stream == Self.stream)
                try await frames.send(GuestMessage.started(stream: Self.stream, pid: 1).frame())
                try await placed
                try await body(relay, frames, server)
                shutdown(guest.rawValue, Int32(SHUT_RDWR))
            }()
            var passed: [Frame] = []
            var reason: (any Error)?
            do { for try await frame in inbound { passed.append(frame) } } catch { reason = error }
            try? await conversation
            await relay.close()
            return (passed, reason)
        }
    }

    @Test("bytes go both ways, credit comes back, and other streams pass by")
    func bytes() async throws {
        let (passed, error) = try await withRelay { _, guest, server in
            let request = [UInt8](repeating: 7, count: 200_000)
            try await guest.send(GuestMessage.data(stream: Self.stream, .output, request).frame())
            try await guest.send(GuestMessage.credit(stream: 3, 1).frame())
            #expect(try await read(server, request.count) == request)
            #expect(try await guest.next() == HostMessage.credit(stream: Self.stream, .output, 200_000).frame())

            let answer = (0..<700_000).map { UInt8(truncatingIfNeeded: $0) }
            async let written: Void = write(server, answer)
            var received: [UInt8] = []
            while received.count < Int(FlowWindow.initial) { received += try await guest.next().payload }
            #expect(received.count == Int(FlowWindow.initial))
            try await guest.send(GuestMessage.credit(stream: Self.stream, FlowWindow.initial).frame())
            while received.count < answer.count { received += try await guest.next().payload }
            try await written
            #expect(received == answer)
        }
        #expect(try passed == [GuestMessage.credit(stream: 3, 1).frame()])
        #expect(error == nil)
    }

    @Test("a server that ends is told to both sides, and what the guest said meanwhile harms nobody")
    func serverEnds() async throws {
        let (_, error) = try await withRelay { relay, guest, server in
            shutdown(server.rawValue, Int32(SHUT_RDWR))
            #expect(try await guest.next() == HostMessage.end(stream: Self.stream).frame())
            #expect(await relay.lost.first { _ in true } == 0)
            try await guest.send(GuestMessage.data(stream: Self.stream, .output, [1, 2, 3]).frame())
            try await guest.send(GuestMessage.exited(stream: Self.stream, ExitStatus(.code(0))).frame())
            await relay.waitUntilUnmounted()
        }
        #expect(error == nil)
    }

    @Test("a relay that is held says nothing, and where it stands is enough for another one to go on")
    func frozen() async throws {
        let (_, error) = try await withRelay { relay, guest, server in
            try await guest.send(
                GuestMessage.data(stream: Self.stream, .output, [UInt8](repeating: 1, count: 200_000)).frame())
            _ = try await read(server, 200_000)
            #expect(try await guest.next() == HostMessage.credit(stream: Self.stream, .output, 200_000).frame())
            try await write(server, [1, 2, 3])
            #expect(try await guest.next().payload == [1, 2, 3])
            await relay.hold()
            try await guest.send(
                GuestMessage.data(stream: Self.stream, .output, [UInt8](repeating: 2, count: 150_000)).frame())
            _ = try await read(server, 150_000)
            try await write(server, [4, 5, 6, 7])
            #expect(try await relay.sent() == [0: 350_000])
            let initial = FlowWindow.initial
            let standing = [
                FrozenMount(place: 0, guestCredit: initial - 150_000, hostCredit: initial - 3, answers: [4, 5])
            ]
            // Two of the bytes belong to the server's state already.
            #expect(try await relay.frozen([0: 5]) == standing)
            try await goOn(standing)
            await relay.release()
            let next = [try await guest.next(), try await guest.next()]
            #expect(try next[0] == HostMessage.credit(stream: Self.stream, .output, 150_000).frame())
            #expect(next[1].payload == [4, 5, 6, 7])
        }
        #expect(error == nil)
    }

    private func goOn(_ standing: [FrozenMount]) async throws {
        let (port, guest) = try Descriptor.socketPair()
        let (requests, server) = try Descriptor.socketPair()
        let relay = MountRelay([0: requests], frozen: standing, on: MultiThreadedEventLoopGroup.singleton.next())
        let channel = try await FrameChannel.frames(port, on: relay.loop, relay: relay)
        try await channel.executeThenClose { _, _ in
            let frames = FrameStream(guest)
            try await write(server, [6, 7])
            try await relay.goOn()
            await relay.release()
            #expect(try await frames.next() == HostMessage.credit(stream: Self.stream, .output, 150_000).frame())
            var answers = try await frames.next().payload
            while answers.count < 4 { answers += try await frames.next().payload }
            #expect(answers == [4, 5, 6, 7])
            try await frames.send(GuestMessage.data(stream: Self.stream, .output, [8]).frame())
            #expect(try await read(server, 1) == [8])
            await relay.close()
        }
    }

    @Test("a server that ends while its relay is held cannot be frozen, and is told of afterwards")
    func serverEndsWhileHeld() async throws {
        let (_, error) = try await withRelay { relay, guest, server in
            await relay.hold()
            let frozen = Task { try await relay.frozen([0: 1]) }
            shutdown(server.rawValue, Int32(SHUT_RDWR))
            await #expect(throws: StartFailure.self) { try await frozen.value }
            await #expect(throws: StartFailure.self) { try await relay.sent() }
            try await guest.send(GuestMessage.data(stream: Self.stream, .output, [1]).frame())
            await relay.release()
            #expect(try await guest.next() == HostMessage.end(stream: Self.stream).frame())
            #expect(await relay.lost.first { _ in true } == 0)
        }
        #expect(error == nil)
    }

    /// What a guest must not say.
    static let nonsense: [(String, [GuestMessage])] = [
        ("a mount that there is not", [.started(stream: stream + 1, pid: 1)]),
        ("twice that it is in place", [.started(stream: stream, pid: 1)]),
        ("credit that it was not asked for", [.credit(stream: stream, 1)]),
        ("something on stderr", [.data(stream: stream, .error, [1])]),
        ("nothing as data", [.data(stream: stream, .output, [])]),
        (
            "something after its end",
            [.exited(stream: stream, ExitStatus(.code(0))), .data(stream: stream, .output, [1])]
        ),
    ]

    @Test("a guest that does not keep to the protocol ends its sandbox", arguments: nonsense)
    func hostile(name: String, messages: [GuestMessage]) async throws {
        let (_, error) = try await withRelay { _, guest, _ in
            for message in messages { try await guest.send(message.frame()) }
        }
        #expect(error is ProtocolError)
    }

    private func read(_ socket: Descriptor, _ count: Int) async throws -> [UInt8] {
        try await DedicatedThread.value {
            Result {
                var bytes = [UInt8](repeating: 0, count: count)
                var filled = 0
                while filled < count {
                    let got = try bytes.withUnsafeMutableBytes { try socket.read(into: .init(rebasing: $0[filled...])) }
                    guard got > 0 else { break }
                    filled += got
                }
                return Array(bytes.prefix(filled))
            }
        }.get()
    }

    private func write(_ socket: Descriptor, _ bytes: [UInt8]) async throws {
        try await DedicatedThread.value { Result { try socket.write(bytes) } }.get()
    }
}

/// The frames on a socket, for a test.
actor FrameStream {
    private let socket: Descriptor
    private var decoder = FrameDecoder()

    init(_ socket: Descriptor) { self.socket = socket }

    struct Ended: Error {}

    func next() async throws -> Frame {
        while true {
            if let frame = try decoder.next() { return frame }
            let socket = socket
            let bytes = try await DedicatedThread.value {
                Result {
                    var bytes = [UInt8](repeating: 0, count: 65_536)
                    let count = try bytes.withUnsafeMutableBytes { try socket.read(into: $0) }
                    return Array(bytes.prefix(count))
                }
            }.get()
            guard !bytes.isEmpty else { throw Ended() }
            decoder.append(bytes)
        }
    }

    func send(_ frame: Frame) async throws {
        let socket = socket
        let bytes = frame.encoded
        try await DedicatedThread.value { Result { try socket.write(bytes) } }.get()
    }
}
