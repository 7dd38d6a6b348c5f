import DNSMessage
import Glibc
import LinuxSystem
import NetworkAddress

/// One question to the name servers, one after the other, until one answers: over UDP, and over TCP what does not fit there.
/// Each attempt has a socket and a number of its own, so that nobody else can answer (RFC 5452).
final class NameLookup: DescriptorHandler, TimeHandler {
    /// How long a server may take at the first attempt and at later ones, in nanoseconds.
    private static let patience: [UInt64] = [1_000_000_000, 2_000_000_000, 3_000_000_000]

    /// Who in the guest waits for the answer.
    private(set) var askers: [NameAsker] = []
    let key: NameCache.Key
    /// Hears of the answer, or that there is none.
    private let done: (NameLookup, DNSMessage?, GatewayLoop) -> Void

    private var query: DNSMessage
    private let servers: [Endpoint]
    private var attempt = -1
    private var socket: InternetSocket?
    private var token: UInt64 = 0
    private var deadline: UInt64 = 0
    private var isOver = false
    // What goes and comes over TCP, each with its length in front.
    private var isStream = false
    private var (unsent, received): ([UInt8], [UInt8]) = ([], [])
    /// What a server said that may know less than others.
    private var poorAnswer: DNSMessage?

    /// A question.
    /// - Parameters:
    ///   - servers: at least one.
    ///   - done: called once, with the answer, or `nil` when no server gave any.
    init(
        _ key: NameCache.Key, _ servers: [Endpoint], _ done: @escaping (NameLookup, DNSMessage?, GatewayLoop) -> Void
    ) {
        self.key = key
        self.servers = servers
        self.done = done
        query = DNSMessage(id: 0, question: key.question)
        query.flags.recursionDesired = true
        query.flags.checkingDisabled = key.checkingDisabled
        query.extensions = .init(packetSize: DNSMessage.packetSize, dnssecOK: key.dnssecOK)
    }

    /// Somebody in the guest asks this too.
    func add(_ asker: NameAsker) { askers.append(asker) }

    /// Asks the next server, or gives up.
    func askNext(in loop: GatewayLoop) {
        attempt += 1
        guard attempt < max(servers.count, Self.patience.count) else { return finish(poorAnswer, in: loop) }
        ask(overStream: false, in: loop)
    }

    private func ask(overStream: Bool, in loop: GatewayLoop) {
        drop(in: loop)
        let server = servers[attempt % servers.count]
        query.id = .random(in: .min ... .max)
        isStream = overStream
        deadline = loop.now + Self.patience[min(attempt / servers.count, Self.patience.count - 1)]
        loop.wait(until: deadline, self)
        do throws(SystemError) {
            let socket = try InternetSocket(overStream ? .stream : .datagram, isV4: server.address.isV4)
            _ = try socket.connect(to: server)
            token = try loop.wait(
                for: socket.number, self, overStream ? [.readable, .writable, .changesOnly] : .readable)
            self.socket = socket
        } catch {
            // The next in a moment: a failure may be the same for all.
            deadline = loop.now + 1_000_000
            return loop.wait(until: deadline, self)
        }
        let bytes = query.encoded()
        if overStream {
            unsent = [UInt8(bytes.count >> 8 & 255), UInt8(bytes.count & 255)] + bytes
            received = []
        } else {
            _ = bytes.withUnsafeBytes { socket?.send($0) }
        }
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        guard let socket else { return }
        if isStream { return streamReady(socket, in: loop) }
        loop.withBuffer { buffer in
            let count = socket.read(into: buffer)
            if count < 0 {
                // Nobody is there.
                if errno != EAGAIN { askNext(in: loop) }
                return
            }
            answered(UnsafeRawBufferPointer(rebasing: buffer[..<count]), in: loop)
        }
    }

    private func streamReady(_ socket: InternetSocket, in loop: GatewayLoop) {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes { socket.send($0) }
            if count > 0 {
                unsent.removeFirst(count)
            } else if errno == EAGAIN {
                return
            } else {
                return askNext(in: loop)
            }
        }
        var isOpen = true
        loop.withBuffer { buffer in
            while true {
                let count = socket.read(into: buffer)
                guard count > 0 else {
                    isOpen = count < 0 && errno == EAGAIN
                    return
                }
                received += buffer[..<count]
                if received.count > DNSMessage.maximumSize + 2 { return }
            }
        }
        if received.count >= 2 {
            let length = Int(received[0]) << 8 | Int(received[1])
            if received.count >= length + 2 {
                let message = Array(received[2..<length + 2])
                return message.withUnsafeBytes { answered($0, in: loop) }
            }
        }
        if !isOpen { askNext(in: loop) }
    }

    private func answered(_ bytes: UnsafeRawBufferPointer, in loop: GatewayLoop) {
        // What is no answer to this question is not the server's: wait for that.
        guard let answer = try? DNSMessage(bytes), answer.isAnswer(to: query, exactCase: false) else {
            if isStream { askNext(in: loop) }
            return
        }
        if answer.flags.isTruncated, !isStream { return ask(overStream: true, in: loop) }
        switch answer.flags.code {
        case .noError, .noSuchName: finish(answer, in: loop)
        default:
            poorAnswer = answer
            askNext(in: loop)
        }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        // Of an attempt that is over: the present one has a deadline of its own.
        if !isOver, loop.now >= deadline { askNext(in: loop) }
        return nil
    }

    private func drop(in loop: GatewayLoop) {
        guard socket != nil else { return }
        loop.forget(token)
        socket = nil
    }

    private func finish(_ answer: DNSMessage?, in loop: GatewayLoop) {
        guard !isOver else { return }
        isOver = true
        drop(in: loop)
        done(self, answer, loop)
    }
}
