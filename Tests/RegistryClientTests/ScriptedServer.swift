import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

/// A server of plain HTTP on a free port of this host that answers by a script, and notes what it was asked.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        let method: HTTPMethod
        let target: String
        let headers: HTTPHeaders
        let body: [UInt8]

        var path: String { String(target.prefix { $0 != "?" }) }
        var query: String { String(target.drop { $0 != "?" }.dropFirst()) }
        var authorization: String? { headers.first(name: "Authorization") }
        var range: String? { headers.first(name: "Range") }
    }

    typealias Script = @Sendable (Request, Answer) async throws -> Void
    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    /// Breaks the connection.
    struct Cut: Error {}

    let port: Int
    private let received = Mutex<[Request]>([])

    /// What it was asked so far, without the question whether it is there.
    var requests: [Request] { received.withLock { $0 }.filter { $0.path != "/v2/" } }
    var name: String { "127.0.0.1:\(port)" }

    private init(port: Int) { self.port = port }

    /// Runs a server while `body` runs.
    static func run<Result: Sendable>(
        _ script: @escaping Script, body: (ScriptedServer) async throws -> Result
    ) async throws -> Result {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    // It answers the TLS of a client with an error, as a server of plain HTTP does.
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
        let server = ScriptedServer(port: try #require(listener.channel.localAddress?.port))
        return try await listener.executeThenClose { connections in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await withThrowingDiscardingTaskGroup { group in
                        for try await connection in connections {
                            // A client may go away at any time.
                            group.addTask { try? await server.serve(connection, script) }
                        }
                    }
                }
                defer { group.cancelAll() }
                return try await body(server)
            }
        }
    }

    private func serve(_ connection: Connection, _ script: Script) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var head: HTTPRequestHead?
            var body: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let next):
                    head = next
                    body = []
                case .body(let bytes): body += bytes.readableBytesView
                case .end:
                    guard let head else { return }
                    let request = Request(method: head.method, target: head.uri, headers: head.headers, body: body)
                    received.withLock { $0.append(request) }
                    let answer = Answer(outbound: outbound, isHead: head.method == .HEAD)
                    try await script(request, answer)
                }
            }
        }
    }

    /// Writes one answer.
    struct Answer: Sendable {
        let outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
        let isHead: Bool

        func send(_ status: UInt, _ headers: HTTPHeaders = [:], _ body: [UInt8] = []) async throws {
            try await head(status, headers, length: body.count)
            if !isHead { try await bytes(body) }
            try await end()
        }

        func send(_ status: UInt, _ headers: HTTPHeaders = [:], _ body: String) async throws {
            try await send(status, headers, Array(body.utf8))
        }

        func head(_ status: UInt, _ headers: HTTPHeaders = [:], length: Int?) async throws {
            var headers = headers
            if let length { headers.add(name: "Content-Length", value: "\(length)") }
            try await outbound.write(
                .head(.init(version: .http1_1, status: .init(statusCode: Int(status)), headers: headers)))
        }

        func bytes(_ bytes: some Sequence<UInt8>) async throws {
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
        }

        func end() async throws { try await outbound.write(.end(nil)) }
    }
}
