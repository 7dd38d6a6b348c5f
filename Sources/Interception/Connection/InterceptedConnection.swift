import ForeignText
import InterceptionProtocol
import LinuxSystem
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import NetworkAddress
import TrafficInspection

/// One connection of the guest, from the moment the gateway hands it over to its end: the ClientHello is read, the server's
/// handshake completed and judged, then the guest's, with what the server chose to speak; then a ``Relay`` takes over.
///
/// Sound as Sendable since all of it happens on the event loop of its interceptor.
final class InterceptedConnection: @unchecked Sendable {
    private enum Phase {
        case opening
        /// The guest's ClientHello is being read.
        case hello
        /// The server's handshake is under way.
        case server
        /// The guest's handshake is under way; then this relay begins.
        case guest
        case relaying
        case over
    }

    /// How long all handshakes may take together, and a guest may take for its ClientHello. Generous: an emulated guest that
    /// begins many at once takes long for each.
    private static let handshakeTime = TimeAmount.seconds(120)
    /// How long a guest may take for what was said to it before the connection ended.
    static let lingerTime = TimeAmount.seconds(30)

    let order: ConnectionOrder
    let interceptor: Interceptor
    private let loop: any EventLoop
    private var phase = Phase.opening
    private var channels: [Side: any Channel] = [:]
    private var ends: [Side: ConnectionEnd] = [:]
    /// What came before there was somebody to take it.
    private var early: [Side: ByteBuffer] = [:]
    private var endedEarly: Set<Side> = []
    private var reads: [Side: Bool] = [:]
    private var helloTracker = TLSClientTracker()
    /// The protocols that the ClientHello offers, the preferred first.
    private var offered: [String] = []
    /// The host of the ClientHello.
    private var serverName: HostName?
    private var serverTLS: NIOSSLClientHandler?
    private var verification = UpstreamContexts.Verification.name
    private var protocolChosen: String?
    /// What the guest's first request is answered with, when there will be no server.
    private var pageAhead: Refused?
    private var relay: (any Relay)?
    private var http2: HTTP2Relay?
    private var deadline: Scheduled<Void>?
    private(set) var account: InterceptionEvent.Account

    init(_ order: ConnectionOrder, _ interceptor: Interceptor, _ loop: any EventLoop) {
        self.order = order
        self.interceptor = interceptor
        self.loop = loop
        account = InterceptionEvent.Account(id: order.id)
    }

    // MARK: Opening

    /// Takes over both sockets.
    func open(guest: Descriptor, server: Descriptor) {
        setDeadline(Self.handshakeTime) { connection in
            connection.report(
                Refused(
                    status: 408, reason: .limit, name: connection.order.serverName,
                    detail: "the handshakes take too long"))
            connection.end()
        }
        let channels = [(Side.guest, guest), (.server, server)].map { adopt($1, as: $0) }
        EventLoopFuture.andAllSucceed(channels, on: loop).whenComplete { [self] result in
            switch result {
            case .success:
                if phase == .opening { begin() }
            case .failure(let error):
                report(.malformed("its sockets cannot be used: \("\(error)".excerpt())"))
                end()
            }
        }
    }

    private func adopt(_ socket: Descriptor, as side: Side) -> EventLoopFuture<Void> {
        do {
            let number = try socket.duplicateForTransfer()
            return ClientBootstrap(group: loop)
                .channelOption(.autoRead, value: false)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
                .channelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let end = ConnectionEnd(side, of: self)
                        try channel.pipeline.syncOperations.addHandler(end)
                        channels[side] = channel
                        ends[side] = end
                    }
                }
                .withConnectedSocket(number).map { _ in }
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    private func begin() {
        switch order.scheme {
        case .http: start(HTTP1Relay(self, judge(verified: false)))
        case .tls:
            phase = .hello
            setReading(.guest, true)
        }
    }

    // MARK: The guest's ClientHello

    private func readHello() {
        guard let bytes = early[.guest] else { return }
        let step = bytes.withUnsafeReadableBytes { helloTracker.next($0) }
        if case .needMore = step { return }
        guard case .hello(let hello, _) = step else {
            report(.malformed("what the guest says is no ClientHello of TLS"))
            end()
            return
        }
        setReading(.guest, false)
        offered = hello.applicationProtocols.map { String(decoding: $0, as: UTF8.self) }
        let name = hello.serverNameBytes.map { String(decoding: $0, as: UTF8.self) }
        guard name == order.serverName else {
            report(.malformed("the ClientHello names another host than before", name: order.serverName?.excerpt(255)))
            end()
            return
        }
        if let name {
            guard let host = HostName(name) else {
                report(.malformed("the ClientHello names no host", name: name.excerpt(255)))
                end()
                return
            }
            serverName = host
        }
        let host = serverName ?? .address(order.address)
        if let names = order.names, !names.contains(where: { $0.matches(host, port: order.port) }) {
            refuseServer(
                Refused(
                    status: 403, reason: .name, name: "\(host)",
                    detail: "\(host) is not allowed by this sandbox's network policy"))
        } else if interceptor.configuration.bypassedHosts.contains(where: { $0.matches(host, port: order.port) }) {
            start(OpaqueRelay(self, judge(verified: false), spoken: "bypassed", scans: false))
        } else {
            connectServer(host)
        }
    }

    // MARK: The server's handshake

    private func connectServer(_ host: HostName) {
        phase = .server
        if interceptor.configuration.unverifiedHosts.contains(where: { $0.matches(host, port: order.port) }) {
            verification = .none
        } else if case .address = host {
            verification = .authority
        }
        let protocols = offered.filter { $0 == "h2" || $0 == "http/1.1" }
        do {
            let context = try interceptor.upstream.context(verification, protocols: protocols)
            var name: String?
            if case .name(let domain) = host { name = domain.text }
            let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
            serverTLS = handler
            try channels[.server]?.pipeline.syncOperations.addHandler(handler, position: .first)
            setReading(.server, true)
        } catch {
            refuseServer(failure(of: error))
        }
    }

    private func serverReady(_ chosen: String?) {
        setReading(.server, false)
        if verification == .authority, !CertificateFault.isFor(order.address, serverTLS?.peerCertificate) {
            refuseServer(failure(of: NIOSSLExtraError.failedToValidateHostname))
            return
        }
        protocolChosen = chosen
        acceptGuest(protocols: chosen.map { [$0] } ?? [])
    }

    /// What a failed handshake with the server is to the guest.
    private func failure(of error: any Error) -> Refused {
        let host = serverName ?? .address(order.address)
        guard CertificateFault.isCertificateError(error) else {
            return Refused(
                status: 502, reason: .upstream, name: "\(host)",
                detail: "the TLS handshake with \(host) failed: \(Self.words(error))")
        }
        return Refused(
            status: 502, reason: .certificate, name: "\(host)",
            detail: "the certificate of \(host) is not valid: "
                + CertificateFault.explain(serverTLS?.peerCertificate, for: host))
    }

    /// Whether the other side has merely gone.
    private static func isEnd(_ error: any Error) -> Bool {
        if let error = error as? NIOSSLError, case .handshakeFailed(let cause) = error {
            return "\(cause)".contains("EOF")
        }
        return false
    }

    private static func words(_ error: any Error) -> String {
        if let error = error as? NIOSSLError, case .handshakeFailed(let cause) = error {
            return "\(cause)".excerpt(160)
        }
        return "\(error)".excerpt(160)
    }

    /// Lets go of the server; the guest is told when it has its handshake and asks.
    private func refuseServer(_ refused: Refused) {
        report(refused)
        pageAhead = refused
        phase = .guest
        drop(.server)
        let protocols = offered.contains("http/1.1") || !offered.contains("h2") ? ["http/1.1"] : ["h2"]
        acceptGuest(protocols: offered.isEmpty ? [] : protocols)
    }

    // MARK: The guest's handshake

    private func acceptGuest(protocols: [String]) {
        phase = .guest
        do {
            let context = try interceptor.guests.context(
                for: serverName ?? .address(order.address), protocols: protocols)
            guard let channel = channels[.guest] else { throw ChannelError.ioOnClosedChannel }
            let operations = channel.pipeline.syncOperations
            try operations.addHandler(NIOSSLServerHandler(context: context), position: .first)
            let first = early.removeValue(forKey: .guest) ?? ByteBuffer()
            setReading(.guest, true)
            operations.fireChannelRead(NIOAny(first))
            operations.fireChannelReadComplete()
        } catch {
            report(.malformed("no handshake with the guest: \("\(error)".excerpt())"))
            end()
        }
    }

    private func guestReady(_ chosen: String?) {
        setReading(.guest, false)
        if let refused = pageAhead {
            if chosen == "h2" { startHTTP2(page: refused) } else { start(PageRelay(self, refused)) }
            return
        }
        switch protocolChosen {
        case "h2": startHTTP2(page: nil)
        case "http/1.1": start(HTTP1Relay(self, judge(verified: verification != .none)))
        default: start(SniffingRelay(self))
        }
    }

    private func judge(verified: Bool) -> RequestJudge {
        RequestJudge(order: order, serverName: serverName, isVerified: verified, secrets: interceptor.secrets)
    }

    // MARK: Relays

    /// Goes on with another relay.
    func start(_ relay: any Relay) {
        guard phase != .over else { return }
        phase = .relaying
        deadline?.cancel()
        deadline = nil
        self.relay = relay
        account.spoken = relay.spoken
        relay.start()
        for side in [Side.server, .guest] {
            guard let bytes = early.removeValue(forKey: side), bytes.readableBytes > 0 else { continue }
            take(bytes, from: side)
        }
        for side in endedEarly { inputEnded(side) }
        endedEarly = []
    }

    /// Goes on with what the guest turned out to speak, `early` being its first bytes.
    func relay(_ guess: SniffingRelay.Guess, early bytes: ByteBuffer) {
        early[.guest] = bytes
        // They will be counted once more.
        account.bytesOut &-= UInt64(bytes.readableBytes)
        let judge = judge(verified: verification != .none)
        switch guess {
        case .http1: start(HTTP1Relay(self, judge))
        case .http2: startHTTP2(page: nil)
        case .other: start(OpaqueRelay(self, judge, spoken: "opaque", scans: true))
        }
    }

    private func startHTTP2(page: Refused?) {
        phase = .relaying
        deadline?.cancel()
        deadline = nil
        relay = nil
        account.spoken = "h2"
        let http2 = HTTP2Relay(self, judge(verified: verification != .none), page: page)
        self.http2 = http2
        do {
            if let server = channels[.server] { try http2.attach(server: server) }
            if let guest = channels[.guest] { try http2.attach(guest: guest) }
        } catch {
            end()
            return
        }
        for side in [Side.server, .guest] {
            setReading(side, true)
            ends[side]?.passOn(early.removeValue(forKey: side) ?? ByteBuffer())
        }
        if !endedEarly.isEmpty { end() }
    }

    // MARK: What ends say

    // An end that was dropped says no more that counts: it may still end in ways of its own.

    func received(_ bytes: ByteBuffer, from side: Side) {
        if channels[side] != nil { take(bytes, from: side) }
    }

    private func take(_ bytes: ByteBuffer, from side: Side) {
        switch phase {
        case .relaying where relay != nil:
            count(bytes.readableBytes, from: side)
            relay?.received(bytes, from: side)
        case .over: return
        default:
            early[side, default: ByteBuffer()].writeImmutableBuffer(bytes)
            if phase == .hello { readHello() }
        }
    }

    /// Gives bytes to the relay that another has received.
    func relayAgain(_ bytes: ByteBuffer, from side: Side) { relay?.received(bytes, from: side) }

    func writabilityChanged(_ side: Side) { relay?.writabilityChanged(side) }

    func inputEnded(_ side: Side) {
        switch phase {
        case .relaying: relay?.inputEnded(side)
        case .over: return
        case .hello, .opening: end()
        case .server, .guest:
            // What has been said in time may still count.
            endedEarly.insert(side)
            if side == .guest || pageAhead == nil && phase == .server { end() }
        }
    }

    func happened(_ event: Any, at side: Side) {
        guard channels[side] != nil else { return }
        switch event {
        case TLSUserEvent.handshakeCompleted(let chosen):
            let chosen = chosen.flatMap { $0.isEmpty ? nil : $0 }
            if side == .server, phase == .server { serverReady(chosen) }
            if side == .guest, phase == .guest { guestReady(chosen) }
        case ChannelEvent.inputClosed:
            if relay != nil || phase != .relaying { inputEnded(side) } else { http2?.inputEnded(side) }
        default: break
        }
    }

    func failed(_ error: any Error, at side: Side) {
        guard channels[side] != nil else { return }
        switch (phase, side) {
        case (.server, .server): refuseServer(failure(of: error))
        case (.guest, .guest):
            // Mostly a guest that does not trust the authority; the gateway sees no request then.
            if pageAhead == nil, !Self.isEnd(error) {
                report(
                    Refused(
                        status: 502, reason: .malformed, name: serverName.map { "\($0)" },
                        detail: "the guest ended its handshake: \(Self.words(error))"))
            }
            end()
        default:
            // A missing end of TLS is no more than the end of the connection.
            if let error = error as? NIOSSLError, error == .uncleanShutdown { return }
            if phase == .relaying, side == .server { loseServer() } else { end() }
        }
    }

    func closed(_ side: Side) {
        guard channels.removeValue(forKey: side) != nil else { return }
        ends[side] = nil
        switch phase {
        case .relaying:
            // Whoever is gone takes nothing any more; the guest may still get what the server has said.
            if side == .guest { return end() }
            serverLost()
        case .over: return
        case .server where side == .server:
            refuseServer(
                Refused(
                    status: 502, reason: .upstream, name: order.serverName,
                    detail: "the server closed the connection in the handshake"))
        case .guest where side == .server: endedEarly.insert(.server)
        default: end()
        }
        if channels.isEmpty { end() }
    }

    /// Goes on without the server, as far as that goes.
    private func loseServer() {
        if relay == nil { http2?.serverClosed() }
        drop(.server)
        serverLost()
    }

    private func serverLost() {
        if relay != nil {
            relay?.inputEnded(.server)
            if phase == .relaying { setDeadline(Self.lingerTime) { $0.end() } }
        } else {
            http2?.serverClosed()
        }
    }

    // MARK: What relays ask for

    func count(_ bytes: Int, from side: Side) {
        if side == .guest { account.bytesOut &+= UInt64(bytes) } else { account.bytesIn &+= UInt64(bytes) }
    }

    func countRequest() { account.requests &+= 1 }

    func isWritable(_ side: Side) -> Bool { channels[side]?.isWritable ?? true }

    func write(_ bytes: ByteBuffer, to side: Side) {
        guard bytes.readableBytes > 0 else { return }
        channels[side]?.write(bytes, promise: nil)
    }

    func flush(_ side: Side) { channels[side]?.flush() }

    func setReading(_ side: Side, _ reading: Bool) {
        guard reads[side, default: false] != reading, let channel = channels[side] else { return }
        reads[side] = reading
        try? channel.syncOptions?.setOption(.autoRead, value: reading)
    }

    func closeOutput(_ side: Side) { channels[side]?.close(mode: .output, promise: nil) }

    /// Closes one end only.
    func drop(_ side: Side) {
        let channel = channels.removeValue(forKey: side)
        ends[side] = nil
        early[side] = nil
        if let channel { Self.close(channel) }
    }

    /// Closes one end for good. TLS waits for the other's last word, which the end of its bytes stands for as well.
    private static func close(_ channel: any Channel) {
        try? channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
        channel.close(promise: nil)
    }

    /// Calls `body` when the time is over, unless it is set again before.
    func setDeadline(_ time: TimeAmount, _ body: @escaping @Sendable (InterceptedConnection) -> Void) {
        deadline?.cancel()
        deadline = loop.scheduleTask(in: time) { [self] in body(self) }
    }

    func cancelDeadline() {
        deadline?.cancel()
        deadline = nil
    }

    /// Closes the server's end, and the guest's when it has got what was written.
    func finish() {
        guard phase != .over else { return }
        drop(.server)
        start(LingeringRelay(self, spoken: account.spoken ?? ""))
    }

    /// Closes both ends.
    func end() {
        guard phase != .over else { return }
        phase = .over
        deadline?.cancel()
        deadline = nil
        relay = nil
        http2 = nil
        early = [:]
        serverTLS = nil
        let open = channels.values
        channels = [:]
        ends = [:]
        for channel in open { Self.close(channel) }
        interceptor.ended(self)
    }
}
