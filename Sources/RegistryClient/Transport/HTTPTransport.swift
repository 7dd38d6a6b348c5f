import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import OCI

/// One request, to one address.
struct TransportRequest: Sendable {
    var method: HTTPMethod
    var address: WebAddress
    var headers = HTTPHeaders()
    var body = Body.none
    /// Whether the body holds a secret, which is for this origin only.
    var isConfidential = false
    /// How long the head of the answer may take once the request is sent.
    var responseTime: Duration
    /// What the request is for, for messages.
    var what: String

    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Bytes that are made for each attempt; the meter learns how they go.
        case stream(@Sendable (TransferMeter) async throws -> HTTPClientRequest.Body)
    }
}

/// Sends single requests, by the proxy and with the certificates that their host calls for. It follows no redirect,
/// repeats nothing and knows no credentials.
struct HTTPTransport: Sendable {
    private let proxies: ProxySettings
    private let clients: [HTTPClient.Configuration.Proxy?: HTTPClient]
    private let trust = TrustStore()
    let limits: RegistryLimits

    init(proxies: ProxySettings, limits: RegistryLimits) {
        self.proxies = proxies
        self.limits = limits
        var clients: [HTTPClient.Configuration.Proxy?: HTTPClient] = [:]
        for proxy in Set([nil, proxies.http, proxies.https]) {
            // The limits on idle connections are the meter's: the client's own would count a slow disk here too.
            var configuration = HTTPClient.Configuration(
                redirectConfiguration: .disallow, timeout: .init(connect: TimeAmount(limits.connectTime)), proxy: proxy)
            // A connection of HTTP/2 would share its flow control among all the layers.
            configuration.httpVersion = .http1Only
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
            clients[proxy] = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        }
        self.clients = clients
    }

    /// Closes all connections.
    func shutdown() async {
        // Each fails only when it was shut down before.
        for client in clients.values { try? await client.shutdown() }
    }

    /// Sends a request and reads its answer by `read`, which takes the body by `forEachPiece` or `collect`
    /// so that the meter learns of it. The exchange ends when `read` returns, whatever is left of the answer.
    func exchange<Result: Sendable>(
        _ request: TransportRequest, _ policy: TrustPolicy,
        read: @escaping @Sendable (HTTPClientResponse, TransferMeter) async throws -> Result
    ) async throws(AttemptFailure) -> Result {
        let proxy = proxies.proxy(for: request.address.origin)
        let host = request.address.origin.authority + (proxy.map { " by the proxy \($0.host):\($0.port)" } ?? "")
        guard let client = clients[proxy] else {
            preconditionFailure("there is a client for each proxy that the settings name")
        }
        do {
            var message = HTTPClientRequest(url: request.address.text)
            message.method = request.method
            message.headers = request.headers
            message.headers.replaceOrAdd(name: "User-Agent", value: "sandpiper")
            if request.address.origin.scheme == .https {
                message.tlsConfiguration = try await trust.configuration(for: request.address.origin, policy)
            }
            let meter: TransferMeter
            switch request.body {
            case .none: meter = TransferMeter(limits, responseTime: request.responseTime, sendsBody: false)
            case .bytes(let bytes):
                meter = TransferMeter(limits, responseTime: request.responseTime, sendsBody: false)
                message.body = .bytes(ByteBuffer(bytes: bytes))
            case .stream(let make):
                meter = TransferMeter(limits, responseTime: request.responseTime, sendsBody: true)
                message.body = try await make(meter)
            }
            let complete = message
            return try await withThrowingTaskGroup(of: Result.self) { group in
                group.addTask {
                    let response = try await client.execute(complete, deadline: .distantFuture)
                    meter.headIsHere()
                    return try await read(response, meter)
                }
                group.addTask { try await meter.watch() }
                defer { group.cancelAll() }
                guard let result = try await group.next() else { throw CancellationError() }
                return result
            }
        } catch {
            throw Task.isCancelled ? AttemptFailure(.cancelled) : AttemptFailure(error, request.what, host: host)
        }
    }
}

extension HTTPClientResponse {
    /// Hands the body on piece by piece; time in `take` is not the network's.
    func forEachPiece(
        _ meter: TransferMeter, _ take: (ByteBuffer) async throws -> Void
    ) async throws {
        for try await piece in body {
            meter.advance(piece.readableBytes)
            try await take(piece)
            meter.wait()
        }
        // The body of a cancelled exchange just ends.
        try Task.checkCancellation()
    }

    /// The whole body.
    /// - Parameters:
    ///   - limit: the largest size in bytes, and the name of the limit.
    ///   - what: what the body is, for messages.
    func collect(_ meter: TransferMeter, limit: (name: String, size: Int), _ what: String) async throws -> [UInt8] {
        let tooLarge = AttemptFailure(.limit(what, name: limit.name, value: "\(limit.size) bytes"))
        if let length = headers.first(name: "Content-Length").flatMap({ Int($0) }), length > limit.size {
            throw tooLarge
        }
        var bytes: [UInt8] = []
        try await forEachPiece(meter) { piece in
            guard piece.readableBytes <= limit.size - bytes.count else { throw tooLarge }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }
}
