import InterceptionProtocol
import NIOCore
import TrafficInspection

/// Carries the messages of HTTP/1 between a guest and a server, one request after the other: the next is read when the
/// response to the one before is complete. Bodies pass while they come.
final class HTTP1Relay: Relay {
    /// A request that is under way.
    private struct Exchange {
        let head: HTTPHead
        var passed: RequestJudge.Passed
        let framing: HTTPBody
        let wantsUpgrade: Bool
        var scanner: StreamScanner?
        /// The head that is sent when the body is complete, and what of the body there is.
        var held: RequestHead?
        var body: [UInt8] = []
        var requestIsOver = false
        var responseIsOver = false
        var responseHasBegun = false
        var responseIsChunked = false
    }

    let spoken = "http/1"
    /// How long the rest of a head may take.
    private static let headTime = TimeAmount.seconds(60)

    private unowned let connection: InterceptedConnection
    private let judge: RequestJudge
    private var requests = HTTPMessageReader(.requests)
    private var responses = HTTPMessageReader(.responses)
    private var fromGuest = ByteBuffer()
    private var fromServer = ByteBuffer()
    private var exchange: Exchange?
    private var serverEnded = false
    private var guestEnded = false
    private var isOver = false
    private var isWaitingForHead = false

    init(_ connection: InterceptedConnection, _ judge: RequestJudge) {
        self.connection = connection
        self.judge = judge
    }

    func start() { updateReading() }

    func received(_ bytes: ByteBuffer, from side: Side) {
        switch side {
        case .guest:
            Self.append(bytes, to: &fromGuest)
            pumpRequests()
        case .server:
            Self.append(bytes, to: &fromServer)
            pumpResponses()
        }
        updateReading()
    }

    func writabilityChanged(_ side: Side) {
        guard connection.isWritable(side) else { return updateReading() }
        if side == .server { pumpRequests() } else { pumpResponses() }
        updateReading()
    }

    func inputEnded(_ side: Side) {
        guard !isOver else { return }
        if side == .guest {
            guestEnded = true
            // A guest that has asked may still read the answer.
            if exchange == nil || exchange?.requestIsOver == false { over() }
        } else {
            serverEnded = true
            pumpResponses()
        }
    }

    private static func append(_ bytes: ByteBuffer, to buffer: inout ByteBuffer) {
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeImmutableBuffer(bytes) }
    }

    private func updateReading() {
        guard !isOver else { return }
        connection.setReading(.guest, exchange?.requestIsOver != true && connection.isWritable(.server))
        connection.setReading(.server, connection.isWritable(.guest))
        watchHead()
    }

    /// Gives the guest a limited time for a head that it has begun.
    private func watchHead() {
        let isWaiting = exchange == nil && requests.isBeforeHead && fromGuest.readableBytes > 0
        guard isWaiting != isWaitingForHead else { return }
        isWaitingForHead = isWaiting
        if isWaiting {
            connection.setDeadline(Self.headTime) { connection in
                connection.refuse(Refused(status: 408, reason: .limit, detail: "the request's header takes too long"))
            }
        } else {
            connection.cancelDeadline()
        }
    }

    private func over() {
        guard !isOver else { return }
        isOver = true
        connection.finish()
    }

    private func refuse(_ refused: Refused) {
        guard !isOver else { return }
        isOver = true
        if exchange?.responseHasBegun == true {
            connection.report(refused)
            connection.end()
        } else {
            connection.refuse(refused, request: exchange?.head)
        }
    }

    // MARK: Requests

    private func pumpRequests() {
        do {
            while !isOver, exchange?.requestIsOver != true, connection.isWritable(.server) {
                let (step, consumed) = try fromGuest.withUnsafeReadableBytes { bytes throws(HTTPFault) in
                    try requests.step(bytes)
                }
                fromGuest.moveReaderIndex(forwardBy: consumed)
                switch step {
                case .more: if consumed == 0 { return connection.flush(.server) }
                case .head(let head): try begin(head)
                case .body(let count):
                    if count > 0, let bytes = fromGuest.readSlice(length: count) { try forward(body: bytes) }
                case .end(let trailers): try finishRequest(trailers)
                }
            }
            if !isOver { connection.flush(.server) }
        } catch let error as Refused {
            refuse(error)
        } catch let error as HTTPFault {
            refuse(.malformed("the guest's request cannot be read: \(error)"))
        } catch {
            over()
        }
    }

    private func begin(_ head: HTTPHead) throws {
        guard case .request(let method, let target) = head.start else { return }
        connection.countRequest()
        var request = RequestHead(method: method, target: target, fields: head.fields)
        // HTTP/2 within a connection of HTTP/1 (RFC 7540 section 3.2) could not be read here; servers go on without.
        let upgrades = request.fields.members("upgrade")
        if upgrades.contains(where: { $0.starts(with: "h2".utf8) }) {
            request.fields.removeAll { $0.isNamed("upgrade") || $0.isNamed("http2-settings") }
        }
        let framing = requests.body
        exchange = Exchange(head: head, passed: RequestJudge.Passed(), framing: framing, wantsUpgrade: false)
        let passed = try judge.judge(&request)
        var exchange = Exchange(
            head: head, passed: passed, framing: framing, wantsUpgrade: !request.fields.members("upgrade").isEmpty)
        responses.expectResponse(toHEAD: method.elementsEqual("HEAD".utf8))
        connection.note(unreplaced: passed.unreplaced, host: passed.host)
        switch passed.body {
        case .pass: break
        case .scan: exchange.scanner = StreamScanner(judge.secrets.scanner)
        case .collect:
            if framing != .length(0) {
                exchange.held = request
                if case .length(let length) = framing, length > UInt64(RequestJudge.longestCollected) {
                    throw Refused.tooLong
                }
                // Nobody else can ask for the body, since the server does not see the head before.
                if request.fields.members("expect").contains(where: { $0.elementsEqual("100-continue".utf8) }) {
                    exchange.held?.fields.removeAll { $0.isNamed("expect") }
                    connection.write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"), to: .guest)
                    connection.flush(.guest)
                }
            }
        }
        self.exchange = exchange
        if exchange.held == nil { send(request, head) }
    }

    private func send(_ request: RequestHead, _ head: HTTPHead) {
        let head = HTTPHead(
            start: .request(method: request.method, target: request.target), minorVersion: head.minorVersion,
            fields: request.fields)
        connection.write(ByteBuffer(bytes: head.encoded()), to: .server)
    }

    private func forward(body bytes: ByteBuffer) throws {
        if exchange?.held != nil {
            let count = exchange?.body.count ?? 0
            guard count + bytes.readableBytes <= RequestJudge.longestCollected else { throw Refused.tooLong }
            exchange?.body.append(contentsOf: bytes.readableBytesView)
            return
        }
        if exchange?.scanner != nil {
            let found = bytes.withUnsafeReadableBytes { exchange?.scanner?.feed($0) ?? [] }
            if !found.isEmpty { try accept(found) }
        }
        send(body: bytes, chunked: exchange?.framing == .chunked, to: .server)
    }

    private func accept(_ found: Set<Int>) throws {
        guard var passed = exchange?.passed else { return }
        let known = passed.unreplaced
        try judge.accept(found, &passed)
        connection.note(unreplaced: passed.unreplaced.subtracting(known), host: passed.host)
        exchange?.passed = passed
    }

    private func send(body bytes: ByteBuffer, chunked: Bool, to side: Side) {
        guard chunked else { return connection.write(bytes, to: side) }
        connection.write(ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n"), to: side)
        connection.write(bytes, to: side)
        connection.write(ByteBuffer(string: "\r\n"), to: side)
    }

    private func sendEnd(_ trailers: [HeaderField], to side: Side) {
        var bytes = Array("0\r\n".utf8)
        HTTPHead.append(trailers, to: &bytes)
        connection.write(ByteBuffer(bytes: bytes), to: side)
    }

    private func finishRequest(_ trailers: [HeaderField]) throws {
        guard var exchange else { return }
        for field in trailers where !judge.secrets.scanner.isEmpty {
            try accept(judge.secrets.scanner.found(in: field.value + [10] + field.name))
        }
        exchange.passed = self.exchange?.passed ?? exchange.passed
        let isChunked = exchange.framing == .chunked
        if var request = exchange.held, case .collect(let place) = exchange.passed.body {
            let known = exchange.passed.unreplaced
            let body = try judge.replaced(exchange.body, place, &exchange.passed)
            connection.note(unreplaced: exchange.passed.unreplaced.subtracting(known), host: exchange.passed.host)
            for index in request.fields.indices where request.fields[index].isNamed("content-length") {
                request.fields[index].value = Array("\(body.count)".utf8)
            }
            send(request, exchange.head)
            if !body.isEmpty { send(body: ByteBuffer(bytes: body), chunked: isChunked, to: .server) }
            exchange.held = nil
            exchange.body = []
        }
        if isChunked { sendEnd(trailers, to: .server) }
        exchange.requestIsOver = true
        self.exchange = exchange
        finishExchange()
    }

    // MARK: Responses

    private func pumpResponses() {
        do {
            while !isOver, connection.isWritable(.guest) {
                let (step, consumed) = try fromServer.withUnsafeReadableBytes { bytes throws(HTTPFault) in
                    try responses.step(bytes)
                }
                fromServer.moveReaderIndex(forwardBy: consumed)
                switch step {
                case .more: if consumed == 0 { return try waitForServer() }
                case .head(let head): if begin(response: head) { return }
                case .body(let count):
                    if count > 0, let bytes = fromServer.readSlice(length: count) {
                        send(body: bytes, chunked: exchange?.responseIsChunked == true, to: .guest)
                    }
                case .end(let trailers): finishResponse(trailers)
                }
            }
            if !isOver { connection.flush(.guest) }
        } catch let error as HTTPFault {
            // What a server says between requests, mostly that it is tired of waiting, is no answer to the next.
            guard exchange != nil else { return over() }
            let host = exchange?.passed.host?.description
            refuse(
                Refused(
                    status: 502, reason: .upstream, name: host,
                    detail: "the response of \(host ?? "the server") cannot be read: \(error)"))
        } catch {
            over()
        }
    }

    private func waitForServer() throws {
        connection.flush(.guest)
        guard serverEnded else { return }
        // The body that ends with the connection is complete; anything else is not, and the guest sees it end likewise.
        if (try? responses.connectionEnded()) == true { finishResponse([]) }
        over()
    }

    /// - Returns: whether the connection is no longer this relay's.
    private func begin(response head: HTTPHead) -> Bool {
        guard case .response(let status, _) = head.start else { return false }
        connection.write(ByteBuffer(bytes: head.encoded()), to: .guest)
        if status == 101 {
            connection.flush(.guest)
            guard exchange?.wantsUpgrade == true else {
                over()
                return true
            }
            isOver = true
            connection.upgrade(judge, fromGuest: fromGuest, fromServer: fromServer, guestEnded, serverEnded)
            return true
        }
        if status >= 200 {
            exchange?.responseHasBegun = true
            exchange?.responseIsChunked = responses.body == .chunked
        }
        return false
    }

    private func finishResponse(_ trailers: [HeaderField]) {
        guard exchange?.responseHasBegun == true else { return }
        if exchange?.responseIsChunked == true { sendEnd(trailers, to: .guest) }
        exchange?.responseIsOver = true
        finishExchange()
    }

    private func finishExchange() {
        guard let exchange, exchange.requestIsOver, exchange.responseIsOver else { return }
        self.exchange = nil
        connection.flush(.guest)
        if guestEnded { return over() }
        if fromGuest.readableBytes > 0 { pumpRequests() }
    }
}
