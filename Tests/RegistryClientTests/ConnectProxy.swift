import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A proxy of HTTP that makes tunnels, all of them to one port of this host, and notes what it was asked.
final class ConnectProxy: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let asked = Mutex<[String]>([])
    /// The heads of the requests.
    var heads: [String] { asked.withLock { $0 } }

    /// Runs a proxy while `body` runs, which gets its port.
    static func run(to target: Int, body: (ConnectProxy, _ port: Int) async throws -> Void) async throws {
        let proxy = ConnectProxy()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        let port = try #require(listener.channel.localAddress?.port)
        try await listener.executeThenClose { connections in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await withThrowingDiscardingTaskGroup { group in
                        for try await connection in connections {
                            // A tunnel ends as soon as either side goes away.
                            group.addTask { try? await proxy.serve(connection, to: target) }
                        }
                    }
                }
                defer { group.cancelAll() }
                try await body(proxy, port)
            }
        }
    }

    private func serve(_ connection: Connection, to target: Int) async throws {
        try await connection.executeThenClose { fromClient, toClient in
            var requests = fromClient.makeAsyncIterator()
            var head = ""
            while !head.hasSuffix("\r\n\r\n"), let bytes = try await requests.next() { head += String(buffer: bytes) }
            let complete = head
            asked.withLock { $0.append(complete) }
            let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: target) { channel in
                    channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
                }
            try await server.executeThenClose { fromServer, toServer in
                try await toClient.write(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { for try await bytes in fromServer { try await toClient.write(bytes) } }
                    defer { group.cancelAll() }
                    while let bytes = try await requests.next() { try await toServer.write(bytes) }
                }
            }
        }
    }
}
