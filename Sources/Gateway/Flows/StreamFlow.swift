import Glibc
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState
import TrafficInspection

/// A TCP connection of the guest's, and the socket that carries it outside. Bytes go from one to the other as long as
/// each takes them; what one does not take holds up the other.
final class StreamFlow: StreamHandler, DescriptorHandler, TimeHandler {
    /// How far it has come.
    enum Phase {
        /// The socket is on its way to the other side.
        case connecting
        /// The stack is on its way to the guest.
        case greeting
        /// Both sides speak.
        case open
        /// It is on its way to the interceptor.
        case handing
        /// One side is gone.
        case over
    }

    /// Bytes that one direction may move before others have their turn.
    private static let turn = 1 << 20

    private(set) var connection: ConnectionID
    let direction: NetworkEvent.Direction
    /// Where it leads to, or comes from, outside.
    let remote: Endpoint
    /// The guest's port.
    let guestPort: UInt16
    /// The names under which the guest knows the address.
    let names: [DomainName]
    /// What the handshake said, where it was looked at.
    private(set) var claim: NetworkPolicy.Claim?
    /// The rule that let it pass.
    private(set) var rule: String

    var socket: InternetSocket
    var token: UInt64 = 0
    var phase: Phase
    // Whether the socket may have something to read and may take something, until the kernel says that it does not.
    var (mayRead, mayWrite) = (false, false)
    /// Whether the outside, and the guest, have sent their last byte and it was passed on.
    private var (outsideEnded, guestEnded) = (false, false)
    private var guestFinished = false
    var isWaitingForTurn = false
    private var (bytesOut, bytesIn): (UInt64, UInt64) = (0, 0)
    /// Reads what the guest says before it goes on, where its names matter.
    private var check: HandshakeCheck?
    /// Whether what decides has only so much time to come.
    private var isPatient = false
    /// Looks for placeholders of secrets in what leaves past the interceptor.
    var scanner: StreamScanner?
    /// What the interceptor is told.
    var handover: HandshakeCheck.Handover?
    /// Other places outside where somebody may listen, likewise.
    private var otherTargets: [Endpoint]
    /// Other places in the guest where somebody may listen, when nobody does at the first.
    private var alternatives: [(from: Endpoint, to: Endpoint)]

    /// A connection that the guest has asked for.
    init(
        _ connection: ConnectionID, to remote: Endpoint, from guest: Endpoint, _ socket: InternetSocket,
        names: [DomainName], rule: String, others: [Endpoint], check: HandshakeCheck?
    ) {
        self.connection = connection
        direction = .egress
        self.remote = remote
        guestPort = guest.port
        self.socket = socket
        self.names = names
        self.rule = rule
        self.check = check
        otherTargets = others
        alternatives = []
        phase = .connecting
    }

    /// A connection from outside, for which the stack asks the guest.
    init(
        _ connection: ConnectionID, from remote: Endpoint, toPort port: UInt16, _ socket: InternetSocket, rule: String,
        alternatives: [(from: Endpoint, to: Endpoint)]
    ) {
        self.connection = connection
        direction = .ingress
        self.remote = remote
        guestPort = port
        self.socket = socket
        names = []
        otherTargets = []
        self.rule = rule
        self.alternatives = alternatives
        phase = .greeting
    }

    /// Waits for the socket.
    /// - Throws: `SystemError`.
    func begin(in loop: GatewayLoop) throws(SystemError) {
        socket.setNoDelay()
        if let link = loop.interception, !link.scanner.isEmpty { scanner = StreamScanner(link.scanner) }
        token = try loop.wait(for: socket.number, self)
        if direction == .ingress { loop.callers += 1 }
    }

    // MARK: The socket

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        if phase == .connecting {
            guard !events.isDisjoint(with: [.writable, .failed, .hungUp]) else { return }
            let error = socket.error
            guard error == 0 else { return outsideRefused(error, in: loop) }
            return outsideAccepted(in: loop)
        }
        if !events.isDisjoint(with: [.readable, .peerClosed, .failed, .hungUp]) { mayRead = true }
        if !events.isDisjoint(with: [.writable, .failed, .hungUp]) { mayWrite = true }
        work(in: loop)
    }

    private func outsideAccepted(in loop: GatewayLoop) {
        phase = .greeting
        loop.stack.accept(connection, at: loop.time)
    }

    /// The guest hears what the host has heard.
    private func outsideRefused(_ error: Int32, in loop: GatewayLoop) {
        if error == ECONNREFUSED, !otherTargets.isEmpty {
            let next = otherTargets.removeFirst()
            if let other = try? InternetSocket(.stream, isV4: next.address.isV4),
                (try? other.connect(to: next)) != nil
            {
                loop.forget(token)
                socket.close()
                socket = other
                if (try? begin(in: loop)) != nil { return }
            }
        }
        loop.stack.refuse(connection, Refusal(error), at: loop.time)
        loop.streams[connection] = nil
        close(in: loop)
    }

    // MARK: The guest

    func established(in loop: GatewayLoop) {
        guard phase == .greeting else { return }
        phase = .open
        (mayRead, mayWrite) = (true, true)
        if let check, check.holdsServer || !check.intercepts { waitForWords(in: loop) }
        if loop.judge.policy.recordsAllowed {
            loop.record(.allow, direction, "tcp", remote, port: eventPort, rule: rule, name: names.first)
        }
        work(in: loop)
    }

    private func waitForWords(in loop: GatewayLoop) {
        isPatient = true
        loop.wait(until: loop.now + (check?.patience ?? 0), self)
    }

    /// What decides should have come by now.
    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        guard phase == .open, let check, check.isUndecided else { return nil }
        if let refusal = check.end(by: loop.judge) { refuse(refusal, in: loop) } else { work(in: loop) }
        return nil
    }

    func finished(in loop: GatewayLoop) {
        guestFinished = true
        work(in: loop)
    }

    func closed(_ reason: CloseReason, in loop: GatewayLoop) {
        if phase == .greeting, direction == .ingress, reason == .refused, let next = alternatives.popLast(),
            let other = loop.stack.connect(from: next.from, to: next.to, at: loop.time)
        {
            connection = other
            loop.streams[other] = self
            return
        }
        // Whoever spoke to the guest hears of its end as it was.
        if reason != .closed || phase == .greeting { socket.setResetOnClose() }
        close(in: loop)
    }

    // MARK: From one to the other

    func work(in loop: GatewayLoop) {
        guard phase == .open else { return }
        // What the server has said may let more of what the client says pass, and the reverse.
        let (heardBefore, isHeard) = (check?.holdsServer != true, moveIn(loop))
        var isDone = moveOut(loop) && isHeard
        if !heardBefore, check?.holdsServer != true { isDone = moveIn(loop) && isDone }
        guard phase == .open else { return }
        if guestEnded, outsideEnded { return complete(in: loop) }
        if !isDone, !isWaitingForTurn {
            isWaitingForTurn = true
            loop.continueLater(self)
        }
    }

    /// From the guest to the outside.
    /// - Returns: whether it has done what there was to do for now.
    private func moveOut(_ loop: GatewayLoop) -> Bool {
        var total = 0
        while phase == .open, mayWrite || check?.wantsMore == true {
            guard total < Self.turn else { return false }
            let count = check == nil ? sendFromStack(loop) : sendChecked(loop)
            guard count > 0 else { break }
            total += count
        }
        guard phase == .open, guestFinished, !guestEnded, loop.stack.readableCount(connection) == 0 else { return true }
        if let check, !check.isEmpty {
            // What was held back was not enough to be judged.
            if let refusal = check.end(by: loop.judge) { refuse(refusal, in: loop) }
            return phase == .open && mayWrite && check.hasCleared ? moveOut(loop) : true
        }
        guestEnded = true
        shutdown(socket.number, Int32(SHUT_WR))
        return true
    }

    private func sendFromStack(_ loop: GatewayLoop) -> Int {
        var failure: Int32 = 0
        var secret: String?
        let count = loop.stack.read(connection, at: loop.time) { bytes in
            secret = placeholder(in: bytes, loop)
            if secret != nil { return 0 }
            let count = socket.send(bytes)
            if count >= 0 {
                _ = scanner?.feed(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                return count
            }
            if errno == EAGAIN { mayWrite = false } else if errno != EINTR { failure = errno }
            return 0
        }
        if let secret {
            refuse(placeholderOf: secret, in: loop)
            return 0
        }
        if failure != 0 { outsideFailed(in: loop) }
        bytesOut &+= UInt64(count)
        return count
    }

    /// Holds back what the guest says until it may pass.
    private func sendChecked(_ loop: GatewayLoop) -> Int {
        guard let check else { return 0 }
        var moved = 0
        if check.wantsMore || !check.hasCleared {
            moved = loop.stack.read(connection, at: loop.time) { check.hold($0) }
            if let refusal = check.judge(by: loop.judge) {
                refuse(refusal, in: loop)
                return 0
            }
            claim = check.claim ?? claim
            rule = check.rule ?? rule
            if let handover = check.takeHandover() {
                // The interceptor looks into what is said, not at whom it is said to.
                if let name = handover.serverName, let secret = loop.interception?.secret(in: name) {
                    refuse(placeholderOf: secret, in: loop)
                    return 0
                }
                handOver(handover, in: loop)
                return 0
            }
            if check.intercepts, check.isUndecided, !check.isEmpty, !isPatient { waitForWords(in: loop) }
        }
        if mayWrite, check.hasCleared {
            if let secret = check.withCleared({ placeholder(in: $0, loop) }) {
                refuse(placeholderOf: secret, in: loop)
                return 0
            }
            let count = check.withCleared { socket.send($0) }
            if count >= 0 {
                check.withCleared { _ = scanner?.feed(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                check.dropCleared(count)
                bytesOut &+= UInt64(count)
                moved += count
            } else if errno == EAGAIN {
                mayWrite = false
            } else if errno != EINTR {
                outsideFailed(in: loop)
            }
        }
        // When all has been judged and sent the bytes need not pass through here any more.
        if check.isOver, check.isEmpty { self.check = nil }
        return moved
    }

    /// From the outside to the guest.
    /// - Returns: as ``moveOut(_:)``.
    private func moveIn(_ loop: GatewayLoop) -> Bool {
        var total = 0
        while phase == .open, mayRead, !outsideEnded, check?.holdsServer != true {
            guard total < Self.turn else { return false }
            var failure: Int32 = 0
            let count = loop.stack.write(connection, at: loop.time) { buffer in
                let count = socket.read(into: buffer)
                if count > 0 {
                    check?.serverSaid(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    return count
                }
                if count == 0 {
                    outsideEnded = true
                } else if errno == EAGAIN {
                    mayRead = false
                } else {
                    failure = errno
                }
                return 0
            }
            if failure != 0 { return outsideFailed(in: loop) }
            if outsideEnded { loop.stack.finish(connection, at: loop.time) }
            // No room: the stack tells when there is some.
            if count == 0, mayRead { return true }
            bytesIn &+= UInt64(count)
            total += count
        }
        return true
    }

    // MARK: The end

    /// The connection outside was reset, or broke: so is the guest's.
    @discardableResult
    private func outsideFailed(in loop: GatewayLoop) -> Bool {
        abort(in: loop)
        return true
    }

    func abort(in loop: GatewayLoop) {
        guard phase != .over else { return }
        loop.streams[connection] = nil
        if phase == .connecting {
            loop.stack.refuse(connection, .reset, at: loop.time)
        } else {
            loop.stack.abort(connection, at: loop.time)
        }
        socket.setResetOnClose()
        close(in: loop)
    }

    /// The name in the handshake, or its lack, does not fit the policy.
    private func refuse(_ refusal: HandshakeRefusal, in loop: GatewayLoop) {
        loop.record(
            .deny, direction, "tcp", remote, port: eventPort, rule: refusal.rule, name: refusal.name ?? names.first,
            detail: refusal.detail)
        guard let page = refusal.page, check?.canBeAnswered == true else { return abort(in: loop) }
        // The guest reads why before its connection ends; nothing of this was said to the outside.
        loop.streams[connection] = nil
        _ = loop.stack.write(connection, page, at: loop.time)
        loop.stack.finish(connection, at: loop.time)
        loop.abortLater(connection)
        socket.setResetOnClose()
        close(in: loop)
    }

    /// Both have said all they had to say; what is still on its way to the guest the stack brings there.
    private func complete(in loop: GatewayLoop) {
        loop.streams[connection] = nil
        close(in: loop)
    }

    private func close(in loop: GatewayLoop) {
        guard phase != .over else { return }
        let wasOpen = phase == .open || phase == .handing
        phase = .over
        loop.forget(token)
        if direction == .ingress { loop.callers -= 1 }
        socket.close()
        if wasOpen, loop.judge.policy.recordsAllowed {
            loop.recordEnd(
                direction, "tcp", remote, port: eventPort, rule: rule, name: claim?.name ?? names.first, bytesOut,
                bytesIn)
        }
    }

    func judgeAgain(in loop: GatewayLoop) {
        let verdict =
            direction == .egress
            ? loop.judge.egress(.tcp, to: remote) : loop.judge.ingress(.tcp, from: remote, port: guestPort)
        let rule: String
        switch verdict {
        case .allow: return
        case .deny(let why): rule = why
        case .inspect(let connection, let inspection):
            // What it said is judged by the new policy, and what it has yet to say will be.
            check?.renew(connection, inspection)
            if check?.isUndecided == true { return }
            let ruling = claim.map { loop.judge.claim($0, by: connection) } ?? inspection.otherwise
            guard ruling.action == .deny else { return }
            rule = ruling.told
        }
        loop.record(
            .deny, direction, "tcp", remote, port: eventPort, rule: rule, name: claim?.name ?? names.first,
            detail: "the policy has changed")
        abort(in: loop)
    }

    /// What events call the port: of what comes in that of the guest.
    var eventPort: UInt16 { direction == .egress ? remote.port : guestPort }
}
