import Glibc
import NetworkAddress
import NetworkStack

// The end of a connection that is the stack, for `compare.py`, which owns the TAP device and is its guest:
//
//   stack-peer DEVICE SEED LOST LATE DOUBLED listen COUNT SCRIPT
//   stack-peer DEVICE SEED LOST LATE DOUBLED connect ADDRESS PORT SCRIPT
//
// It prints `ready`, and for each connection what came of it.

@main
struct StackPeer {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.count >= 8, let device = CInt(words[0]), let seed = UInt64(words[1]), let lost = Int(words[2]),
            let late = Int(words[3]), let doubled = Int(words[4]), let last = words.last, let script = Script(last)
        else {
            say("stack-peer: these arguments make no sense: \(words)")
            exit(2)
        }
        let link = BadLink(
            device: device, conditions: BadLink.Conditions(lost: lost, late: late, doubled: doubled), seed: seed)
        let peer = Peer(link, script, seed: seed)
        link.now = clockTime()
        if words[5] == "connect" {
            guard words.count == 9, let address = IPAddress(words[6]), let port = UInt16(words[7]),
                peer.connect(to: Endpoint(address, port), at: link.now)
            else {
                say("stack-peer: cannot connect to \(words[6]) port \(words[7])")
                exit(2)
            }
        } else {
            peer.wanted = Int(words[6]) ?? 1
        }
        say("ready")
        peer.run(device)
    }

    /// Prints a line at once.
    static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(1, bytes, bytes.count)
    }

    static func clockTime() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}

/// The stack and its connections.
final class Peer {
    private let link: BadLink
    private let script: Script
    private let stack: NetworkStack
    private var connections: [ConnectionID: ScriptedConnection] = [:]
    private var settled = 0
    var wanted = 1

    init(_ link: BadLink, _ script: Script, seed: UInt64) {
        self.link = link
        self.script = script
        var configuration = StackConfiguration(
            gatewayMAC: MACAddress(0x5254_0000_0001), guestMAC: MACAddress(0x5254_0000_0002),
            guestAddresses: ["10.0.2.15", "fd00::15"].compactMap { IPAddress($0) },
            gatewayAddresses: ["10.0.2.2", "fd00::2"].compactMap { IPAddress($0) }, seed: (seed, 7))
        if script.writer.contains(.cut) { configuration.limits.retransmission = 3_000_000_000 }
        configuration.limits.handshake = 4_000_000_000
        configuration.limits.timeWait = 1_000_000_000
        stack = NetworkStack(configuration, output: link)
    }

    func connect(to guest: Endpoint, at now: Instant) -> Bool {
        let own = IPAddress(guest.address.isV4 ? "198.51.100.7" : "2001:db8::7")
        guard let own, let id = stack.connect(from: Endpoint(own, 45678), to: guest, at: now) else { return false }
        connections[id] = ScriptedConnection(id, script, stack)
        return true
    }

    /// Goes on until as many connections as are wanted have come to their end, and half a second more.
    func run(_ device: CInt) {
        var lastWish: Instant?
        while true {
            link.now = StackPeer.clockTime()
            link.receive { frame in frame.withUnsafeBytes { stack.receive($0, at: link.now) } }
            stack.advance(to: link.now)
            work()
            if settled >= wanted, lastWish == nil { lastWish = link.now.advanced(by: 500_000_000) }
            if let lastWish, lastWish <= link.now { return }
            wait(device, until: [lastWish])
        }
    }

    private func work() {
        while true {
            var something = false
            while let event = stack.nextEvent() {
                something = true
                take(event)
            }
            for connection in connections.values {
                if connection.work(at: link.now) { link.isCut = true }
                if connection.isDone(at: link.now) {
                    StackPeer.say(connection.outcome)
                    settled += 1
                    connections[connection.id] = nil
                    something = true
                }
            }
            if !something { return }
        }
    }

    private func take(_ event: StackEvent) {
        switch event {
        case .requested(let id, _, _):
            if let refusal = script.refuses {
                stack.refuse(id, refusal, at: link.now)
                settled += 1
            } else {
                connections[id] = ScriptedConnection(id, script, stack)
                stack.accept(id, at: link.now)
            }
        case .established(let id): connections[id]?.isEstablished = true
        case .finished(let id): connections[id]?.hasFinished = true
        case .closed(let id, let reason): connections[id]?.closed = reason
        default: break
        }
    }

    private func wait(_ device: CInt, until others: [Instant?]) {
        let deadlines = (others + [stack.deadline, link.deadline] + connections.values.map(\.deadline)).compactMap(
            \.self)
        var timeout: CInt = 1000
        if let first = deadlines.min() {
            timeout = CInt((min(first.nanoseconds(since: link.now), 1_000_000_000) + 999_999) / 1_000_000)
        }
        var waiting = pollfd(fd: device, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, timeout)
    }
}
