import InterceptionProtocol
import NIOCore
import NIOHPACK
import NIOHTTP2
import TrafficInspection

/// Carries one request of HTTP/2 and its response.
///
/// Sound as Sendable since all of it happens on the connection's event loop.
final class HTTP2StreamRelay: @unchecked Sendable {
    typealias Payload = HTTP2Frame.FramePayload

    private let relay: HTTP2Relay
    private let guest: any Channel
    private var server: (any Channel)?
    private var serverID: HTTP2StreamID?
    /// What waits for the server's stream to be there.
    private var waiting: [Payload] = []
    private var isOpening = false
    private var reads: [Side: Bool] = [:]
    private var passed: RequestJudge.Passed?
    private var scanner: StreamScanner?
    /// The head that is sent when the body is complete, and what of the body there is.
    private var held: (headers: HPACKHeaders, request: RequestHead)?
    private var body: [UInt8] = []
    private var requestIsOver = false
    private var responseHasBegun = false
    private var responseIsOver = false
    private var isRefused = false
    /// Whether the connection knows that this stream is over.
    private var isCounted = false
    /// Done when the end of the response has left for the guest.
    private var responseSent: EventLoopFuture<Void>?

    init(_ relay: HTTP2Relay, guest: any Channel) {
        self.relay = relay
        self.guest = guest
    }

    // MARK: The request

    func fromGuest(_ headers: Payload.Headers) {
        guard !isRefused else { return }
        do throws(Refused) {
            if passed == nil {
                try begin(headers)
            } else {
                try trailers(headers)
            }
        } catch {
            refuse(error)
        }
        updateReading()
    }

    private func begin(_ frame: Payload.Headers) throws(Refused) {
        relay.connection.countRequest()
        if let page = relay.page { throw page }
        var request = Self.request(frame.headers, all: !relay.judge.secrets.scanner.isEmpty)
        let passed = try relay.judge.judge(&request)
        self.passed = passed
        relay.connection.note(unreplaced: passed.unreplaced, host: passed.host)
        requestIsOver = frame.endStream
        if case .scan = passed.body, !frame.endStream { scanner = StreamScanner(relay.judge.secrets.scanner) }
        if case .collect = passed.body, !frame.endStream {
            if request.fields.members("expect").contains(where: { $0.elementsEqual("100-continue".utf8) }) {
                // Nobody else can ask for the body, since the server does not see the head before.
                request.fields.removeAll { $0.isNamed("expect") }
                write(.headers(.init(headers: [":status": "100"])), to: .guest)
                flush(.guest)
            }
            held = (frame.headers, request)
            return
        }
        let headers = Self.headers(request, like: frame.headers)
        open(.headers(.init(headers: headers, endStream: frame.endStream)))
    }

    private func trailers(_ frame: Payload.Headers) throws(Refused) {
        requestIsOver = true
        if !relay.judge.secrets.scanner.isEmpty {
            for (name, value, _) in frame.headers {
                try accept(relay.judge.secrets.scanner.found(in: Array("\(value)\n\(name)".utf8)))
            }
        }
        if held != nil { try sendHeld(endStream: false) }
        write(.headers(.init(headers: frame.headers, endStream: true)), to: .server)
        flush(.server)
    }

    func fromGuest(_ frame: Payload.Data) {
        guard !isRefused, passed != nil, case .byteBuffer(let bytes) = frame.data else { return }
        requestIsOver = frame.endStream
        do throws(Refused) {
            if held != nil {
                guard body.count + bytes.readableBytes <= RequestJudge.longestCollected else { throw .tooLong }
                body.append(contentsOf: bytes.readableBytesView)
                if frame.endStream { try sendHeld(endStream: true) }
            } else {
                if scanner != nil { try accept(bytes.withUnsafeReadableBytes { scanner?.feed($0) ?? [] }) }
                write(.data(.init(data: .byteBuffer(bytes), endStream: frame.endStream)), to: .server)
            }
        } catch {
            refuse(error)
        }
    }

    private func accept(_ found: Set<Int>) throws(Refused) {
        guard !found.isEmpty, var passed else { return }
        let known = passed.unreplaced
        try relay.judge.accept(found, &passed)
        relay.connection.note(unreplaced: passed.unreplaced.subtracting(known), host: passed.host)
        self.passed = passed
    }

    private func sendHeld(endStream: Bool) throws(Refused) {
        guard var (headers, request) = held, var passed, case .collect(let place) = passed.body else { return }
        held = nil
        let known = passed.unreplaced
        let replaced = try relay.judge.replaced(body, place, &passed)
        body = []
        self.passed = passed
        relay.connection.note(unreplaced: passed.unreplaced.subtracting(known), host: passed.host)
        for index in request.fields.indices where request.fields[index].isNamed("content-length") {
            request.fields[index].value = Array("\(replaced.count)".utf8)
        }
        headers = Self.headers(request, like: headers)
        open(.headers(.init(headers: headers, endStream: false)))
        write(.data(.init(data: .byteBuffer(ByteBuffer(bytes: replaced)), endStream: endStream)), to: .server)
        flush(.server)
    }

    private func open(_ head: Payload) {
        waiting.append(head)
        isOpening = true
        guard let opening = relay.open(self) else {
            waiting = []
            return reset(.guest, .refusedStream)
        }
        opening.whenComplete { [self] result in
            isOpening = false
            switch result {
            case .success(let stream):
                guard guest.isActive, !isRefused else { return stream.close(promise: nil) }
                server = stream
                for payload in waiting { stream.write(payload, promise: nil) }
                stream.flush()
                serverID = try? stream.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID)
            case .failure: if relay.serverIsGone { lose() } else { reset(.guest, .refusedStream) }
            }
            waiting = []
            updateReading()
        }
    }

    // MARK: The response

    func fromServer(_ frame: Payload.Headers) {
        guard !isRefused else { return }
        let status = frame.headers.first(name: ":status").flatMap { Int($0) }
        if status.map({ $0 >= 200 }) ?? true { responseHasBegun = true }
        write(.headers(.init(headers: frame.headers, endStream: frame.endStream)), to: .guest, isEnd: frame.endStream)
    }

    func fromServer(_ frame: Payload.Data) {
        guard !isRefused else { return }
        write(.data(.init(data: frame.data, endStream: frame.endStream)), to: .guest, isEnd: frame.endStream)
    }

    // MARK: Ends

    /// Whether the server has said that it has not seen this.
    var isUnseen: Bool { !responseHasBegun && !isRefused && relay.isUnseen(serverID) }

    /// One end's stream is over.
    /// - Parameter code: why, when it was reset.
    func ended(_ side: Side, _ code: HTTP2ErrorCode?) {
        switch side {
        case .guest:
            if let server, server.isActive, !(requestIsOver && responseIsOver) { reset(.server, code ?? .cancel) }
            waiting = []
        case .server:
            guard !isRefused, guest.isActive else { break }
            if responseIsOver {
                // What the server does not want to read the guest need not send, once it has the response.
                guard !requestIsOver, let responseSent else { break }
                responseSent.whenComplete { [self] _ in reset(.guest, code ?? .noError) }
            } else if relay.serverIsGone, code == nil, !isUnseen {
                lose()
            } else {
                // Streams that a server has not seen end before it is heard to say so.
                guest.eventLoop.execute { [self] in
                    reset(.guest, isUnseen ? .refusedStream : code ?? .cancel)
                }
            }
        }
    }

    /// The guest's stream is closed.
    func closed() { lose() }

    /// There will be no response, or no more of it.
    private func lose() {
        guard !isCounted else { return }
        isCounted = true
        relay.streamEnded()
    }

    private func reset(_ side: Side, _ code: HTTP2ErrorCode) {
        let channel = side == .guest ? guest : server
        guard let channel, channel.isActive else { return }
        channel.writeAndFlush(Payload.rstStream(code), promise: nil)
    }

    private func refuse(_ refused: Refused) {
        if relay.page == nil { relay.connection.report(refused) }
        isRefused = true
        waiting = []
        held = nil
        body = []
        if server?.isActive == true { reset(.server, .cancel) }
        guard !responseHasBegun else { return reset(.guest, .cancel) }
        let page = refused.page
        let headers: HPACKHeaders = [
            ":status": "\(refused.status)", "content-type": "text/plain; charset=utf-8",
            "content-length": "\(page.utf8.count)", "cache-control": "no-store",
        ]
        guest.write(Payload.headers(.init(headers: headers)), promise: nil)
        let sent = guest.writeAndFlush(
            Payload.data(.init(data: .byteBuffer(ByteBuffer(string: page)), endStream: true)))
        if !requestIsOver { sent.whenComplete { [self] _ in reset(.guest, .noError) } }
    }

    // MARK: Writing

    private func write(_ payload: Payload, to side: Side, isEnd: Bool = false) {
        switch side {
        case .guest:
            guard isEnd else { return guest.write(payload, promise: nil) }
            responseIsOver = true
            responseSent = guest.writeAndFlush(payload)
        case .server:
            if let server { server.write(payload, promise: nil) } else { waiting.append(payload) }
        }
    }

    func flush(_ side: Side) { if side == .guest { guest.flush() } else { server?.flush() } }

    /// Reads from each end what the other takes.
    func updateReading() {
        setReading(.guest, !isOpening && (server?.isWritable ?? true) || isRefused)
        setReading(.server, guest.isWritable)
    }

    private func setReading(_ side: Side, _ reading: Bool) {
        guard let channel = side == .guest ? guest : server, reads[side, default: true] != reading else { return }
        reads[side] = reading
        try? channel.syncOptions?.setOption(.autoRead, value: reading)
        // A stream's channel does not go on by itself.
        if reading { channel.read() }
    }

    // MARK: Fields

    private static func request(_ headers: HPACKHeaders, all: Bool) -> RequestHead {
        var request = RequestHead(method: [], target: [], authority: nil, fields: [])
        for (name, value, _) in headers {
            switch name {
            case ":method": request.method = Array(value.utf8)
            case ":path": request.target = Array(value.utf8)
            case ":authority": request.authority = Array(value.utf8)
            case "host": request.fields.append(HeaderField(name: Array(name.utf8), value: Array(value.utf8)))
            default:
                if all, !name.hasPrefix(":") {
                    request.fields.append(HeaderField(name: Array(name.utf8), value: Array(value.utf8)))
                }
            }
        }
        return request
    }

    /// The fields of a request that was judged, in the order and with the indexing that they came with. A secret's value
    /// is never put into a table (RFC 7541 section 7.1.3), where it would stay.
    private static func headers(_ request: RequestHead, like original: HPACKHeaders) -> HPACKHeaders {
        var rest = request.fields[...]
        // Without secrets only the host was looked at.
        guard request.targetIsSecret || rest.contains(where: { !$0.isNamed("host") }) else { return original }
        var headers = HPACKHeaders()
        headers.reserveCapacity(original.count)
        for (name, value, indexing) in original {
            if name == ":path" {
                let isSecret = request.targetIsSecret
                headers.add(
                    name: name, value: isSecret ? String(decoding: request.target, as: UTF8.self) : value,
                    indexing: isSecret ? .neverIndexed : indexing)
            } else if name.hasPrefix(":") {
                headers.add(name: name, value: value, indexing: indexing)
            } else if let field = rest.first, field.name.elementsEqual(name.utf8) {
                rest = rest.dropFirst()
                headers.add(
                    name: name, value: String(decoding: field.value, as: UTF8.self),
                    indexing: field.isSecret ? .neverIndexed : indexing)
            }
        }
        return headers
    }
}
