import NetworkAddress

@testable import NetworkStack

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// What happens to frames between two stacks.
struct LinkConditions {
    /// Of a thousand frames.
    var lost = 0, doubled = 0, corrupted = 0, delayed = 0
    /// The time of a frame on its way, in microseconds.
    var latency: UInt64 = 100
    /// Bytes that fit on the link until the other side has taken them.
    var capacity = Int.max
}

/// Two stacks back to back: each is the other's guest. Time passes only when both have nothing to do.
final class Simulation {
    static let outside = IPAddress.v4(IPv4Address(198, 51, 100, 7))
    static let inside = IPAddress.v4(IPv4Address(10, 0, 2, 15))

    private struct Flight {
        var arrival: Instant
        var serial: Int
        var toGuest: Bool
        var frame: [UInt8]
    }

    let host: NetworkStack
    let guest: NetworkStack
    private let hostLog = FrameLog()
    private let guestLog = FrameLog()
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    var conditions: LinkConditions
    /// Nothing passes any more.
    var isCut = false
    private var generator: SeededGenerator
    private var flights: [Flight] = []
    private var serial = 0
    private(set) var frameCount = 0

    init(
        seed: UInt64, conditions: LinkConditions = LinkConditions(), mtu: Int = 1500,
        limits: StackLimits = StackLimits()
    ) {
        generator = SeededGenerator(seed)
        self.conditions = conditions
        let one = MACAddress(0x5254_0000_0001)
        let other = MACAddress(0x5254_0000_0002)
        var forHost = StackConfiguration(
            gatewayMAC: one, guestMAC: other, guestAddresses: [Self.inside], gatewayAddresses: [],
            seed: (seed, 1))
        forHost.mtu = mtu
        forHost.limits = limits
        var forGuest = StackConfiguration(
            gatewayMAC: other, guestMAC: one, guestAddresses: [Self.outside], gatewayAddresses: [], seed: (seed, 2))
        forGuest.mtu = mtu
        forGuest.limits = limits
        host = NetworkStack(forHost, output: hostLog)
        guest = NetworkStack(forGuest, output: guestLog)
        hostLog.capacity = conditions.capacity
        guestLog.capacity = conditions.capacity
    }

    /// Carries frames and lets time pass until `isDone`, or `limit` seconds have passed; whether it was done.
    func run(seconds limit: UInt64 = 3600, until isDone: () -> Bool) -> Bool {
        let end = now.advanced(by: .seconds(limit))
        while now < end {
            collect()
            if isDone() { return true }
            var next = flights.map(\.arrival).min()
            for deadline in [host.deadline, guest.deadline].compactMap(\.self) where next.map({ deadline < $0 }) ?? true
            {
                next = deadline
            }
            guard let next else { return isDone() }
            now = max(now, next)
            deliver()
            host.advance(to: now)
            guest.advance(to: now)
        }
        return false
    }

    private func deliver() {
        let due = flights.filter { $0.arrival <= now }.sorted { ($0.arrival, $0.serial) < ($1.arrival, $1.serial) }
        flights.removeAll { $0.arrival <= now }
        for flight in due {
            let stack = flight.toGuest ? guest : host
            flight.frame.withUnsafeBytes { stack.receive($0, at: now) }
        }
    }

    private func collect() {
        for _ in 0..<1000 {
            let full = (hostLog.wasFull, guestLog.wasFull)
            let frames = (hostLog.take(), guestLog.take())
            for frame in frames.0 { launch(frame, toGuest: true) }
            for frame in frames.1 { launch(frame, toGuest: false) }
            if full.0 { host.outputReady(at: now) }
            if full.1 { guest.outputReady(at: now) }
            if hostLog.frames.isEmpty && guestLog.frames.isEmpty { return }
        }
    }

    private func launch(_ frame: [UInt8], toGuest: Bool) {
        frameCount += 1
        guard !isCut, !happens(conditions.lost) else { return }
        var frame = frame
        if happens(conditions.corrupted), frame.count > 14 {
            frame[Int.random(in: 14..<frame.count, using: &generator)] ^=
                1 << UInt8.random(in: 0...7, using: &generator)
        }
        for _ in 0..<(happens(conditions.doubled) ? 2 : 1) {
            var latency = conditions.latency * 1000
            if happens(conditions.delayed) { latency += UInt64.random(in: 0...3_000_000, using: &generator) }
            serial += 1
            flights.append(
                Flight(arrival: now.advanced(by: latency), serial: serial, toGuest: toGuest, frame: frame))
        }
    }

    private func happens(_ chance: Int) -> Bool { chance > 0 && Int.random(in: 0..<1000, using: &generator) < chance }
}

/// One end of a connection in a simulation: sends a stream that its seed makes, and checks the one that comes.
final class StreamEnd {
    let stack: NetworkStack
    var id: ConnectionID?
    private let toSend: Int
    private var sent = 0
    private(set) var received = 0
    private(set) var isRight = true
    private(set) var hasFinished = false
    private(set) var closed: CloseReason?
    private(set) var isEstablished = false
    private let sendSeed: UInt64
    private let receiveSeed: UInt64
    /// Takes at most so many bytes at once.
    var readLimit = Int.max
    /// Sends its FIN only after the other's.
    var finishesLast = false
    private var didFinish = false

    init(_ stack: NetworkStack, sends count: Int, seed: UInt64, expects otherSeed: UInt64) {
        self.stack = stack
        toSend = count
        sendSeed = seed
        receiveSeed = otherSeed
    }

    static func byte(_ index: Int, _ seed: UInt64) -> UInt8 {
        let value = (UInt64(truncatingIfNeeded: index / 7) &+ seed) &* 0x9E37_79B9_7F4A_7C15
        return UInt8(truncatingIfNeeded: value >> 56) &+ UInt8(truncatingIfNeeded: index)
    }

    /// Takes the stack's events that are its own, and goes on with its work. `others` gets the rest.
    func work(at now: Instant, _ others: (StackEvent) -> Void = { _ in }) {
        while let event = stack.nextEvent() {
            switch event {
            case .requested(let id, _, _) where self.id == nil:
                self.id = id
                stack.accept(id, at: now)
            case .established(let id) where id == self.id: isEstablished = true
            case .finished(let id) where id == self.id: hasFinished = true
            case .closed(let id, let reason) where id == self.id: closed = reason
            case .readable, .writable: break
            default: others(event)
            }
        }
        guard let id else { return }
        read(id, at: now)
        write(id, at: now)
        if isEstablished, sent == toSend, !didFinish, !finishesLast || hasFinished {
            didFinish = true
            stack.finish(id, at: now)
        }
    }

    private func read(_ id: ConnectionID, at now: Instant) {
        while stack.readableCount(id) > 0 {
            let count = stack.read(id, at: now) { bytes in
                let count = min(bytes.count, readLimit)
                for index in 0..<count where bytes[index] != Self.byte(received + index, receiveSeed) {
                    isRight = false
                }
                return count
            }
            received += count
            if readLimit != .max || count == 0 { return }
        }
    }

    private func write(_ id: ConnectionID, at now: Instant) {
        while sent < toSend, stack.writableCount(id) > 0 {
            let count = stack.write(id, at: now) { room in
                let count = min(room.count, toSend - sent)
                for index in 0..<count { room[index] = Self.byte(sent + index, sendSeed) }
                return count
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}
