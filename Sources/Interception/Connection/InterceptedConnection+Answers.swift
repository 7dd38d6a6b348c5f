import ForeignText
import InterceptionProtocol
import NIOCore
import NetworkAddress
import TrafficInspection

/// What a connection says to the gateway and to the guest.
extension InterceptedConnection {
    /// Tells the gateway.
    func report(_ refused: Refused) {
        interceptor.events.say(
            .refused(
                InterceptionEvent.Refusal(
                    id: order.id, reason: refused.reason, name: refused.name, secret: refused.secret,
                    detail: refused.detail)))
    }

    /// Tells the gateway about placeholders that were left as they are.
    func note(unreplaced found: Set<Int>, host: HostName?) {
        for index in found.sorted() {
            let name = interceptor.secrets.descriptions[index].name.excerpt(128)
            interceptor.events.say(
                .unreplaced(
                    InterceptionEvent.Refusal(
                        id: order.id, reason: .placeholder, name: host?.description, secret: name,
                        detail:
                            "the placeholder of secret \(name) was sent to \(host?.description ?? "its host") as it is:"
                            + " it is not replaced in that place")))
        }
    }

    /// Answers a request of HTTP/1 with a page, and ends.
    func answer(_ refused: Refused, to request: HTTPHead?) {
        drop(.server)
        var page = Array(refused.page.utf8)
        let length = page.count
        if let request, case .request(let method, _) = request.start, method.elementsEqual("HEAD".utf8) { page = [] }
        let head = HTTPHead(
            start: .response(status: refused.status, reason: Array(refused.phrase.utf8)), minorVersion: 1,
            fields: [
                ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "\(length)"),
                ("Cache-Control", "no-store"), ("Connection", "close"),
            ].map { HeaderField(name: Array($0.utf8), value: Array($1.utf8)) })
        write(ByteBuffer(bytes: head.encoded() + page), to: .guest)
        flush(.guest)
        start(LingeringRelay(self, spoken: account.spoken ?? "http/1"))
    }

    /// Tells the gateway, and the guest by a page; then ends.
    func refuse(_ refused: Refused, request: HTTPHead? = nil) {
        report(refused)
        answer(refused, to: request)
    }

    /// Goes on without HTTP, after both have agreed.
    func upgrade(
        _ judge: RequestJudge, fromGuest: ByteBuffer, fromServer: ByteBuffer, _ guestEnded: Bool, _ serverEnded: Bool
    ) {
        start(OpaqueRelay(self, judge, spoken: "upgraded", scans: true))
        // These were counted when they came.
        if fromServer.readableBytes > 0 { relayAgain(fromServer, from: .server) }
        if fromGuest.readableBytes > 0 { relayAgain(fromGuest, from: .guest) }
        if guestEnded { inputEnded(.guest) }
        if serverEnded { inputEnded(.server) }
    }
}
