import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Streams over a bad link")
struct LossyStreamTests {
    /// Sends both ways over a link and checks that all arrives, in order, and that both ends close.
    private func transfer(
        seed: UInt64, _ conditions: LinkConditions, bytes: (Int, Int), mtu: Int = 1500, fromHost: Bool = false,
        limits: StackLimits = StackLimits(), sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let simulation = Simulation(seed: seed, conditions: conditions, mtu: mtu, limits: limits)
        let host = StreamEnd(simulation.host, sends: bytes.0, seed: seed, expects: seed &+ 1)
        let guest = StreamEnd(simulation.guest, sends: bytes.1, seed: seed &+ 1, expects: seed)
        host.finishesLast = seed % 3 == 1
        guest.finishesLast = seed % 3 == 2
        let inside = Endpoint(Simulation.inside, 40000)
        let outside = Endpoint(Simulation.outside, 80)
        if fromHost {
            host.id = simulation.host.connect(from: outside, to: inside, at: simulation.now)
        } else {
            guest.id = simulation.guest.connect(from: inside, to: outside, at: simulation.now)
        }
        let isDone = simulation.run(seconds: 20_000) {
            host.work(at: simulation.now)
            guest.work(at: simulation.now)
            return host.closed != nil && guest.closed != nil
        }
        let place = Comment(rawValue: "seed \(seed)")
        #expect(isDone, place, sourceLocation: sourceLocation)
        #expect(host.isRight && guest.isRight, place, sourceLocation: sourceLocation)
        #expect(host.received == bytes.1 && guest.received == bytes.0, place, sourceLocation: sourceLocation)
        #expect(host.hasFinished && guest.hasFinished, place, sourceLocation: sourceLocation)
        #expect(host.closed == .closed && guest.closed == .closed, place, sourceLocation: sourceLocation)
        #expect(
            simulation.host.bufferBytes == 0 && simulation.guest.bufferBytes == 0, place, sourceLocation: sourceLocation
        )
        #expect(simulation.host.connectionCount == 0, place, sourceLocation: sourceLocation)
    }

    @Test("a good link carries streams both ways")
    func good() {
        transfer(seed: 1, LinkConditions(), bytes: (3_000_000, 2_000_000), mtu: 65520)
        transfer(seed: 2, LinkConditions(), bytes: (300_000, 0))
        transfer(seed: 3, LinkConditions(), bytes: (0, 0), fromHost: true)
    }

    @Test("what is lost, doubled, late or corrupted is made good")
    func bad() {
        for seed in 0..<400 as Range<UInt64> {
            var generator = SeededGenerator(seed)
            func chance(_ limit: Int) -> Int { Int.random(in: 0...limit, using: &generator) }
            let conditions = LinkConditions(
                lost: chance(200), doubled: chance(200), corrupted: chance(50), delayed: chance(300),
                latency: UInt64(chance(5000)))
            transfer(
                seed: seed, conditions, bytes: (chance(60_000), chance(60_000)),
                mtu: seed % 5 == 0 ? 65520 : 1500, fromHost: seed % 2 == 0)
        }
    }

    @Test("thousands of short streams over links as bad as can be")
    func short() {
        // So that nobody gives up, or forgets what the other asks for again.
        var limits = StackLimits()
        limits.retransmission = .seconds(10_000)
        limits.handshake = .seconds(10_000)
        limits.timeWait = .seconds(10_000)
        for seed in 10_000..<12_000 as Range<UInt64> {
            let conditions = LinkConditions(lost: 250, doubled: 150, corrupted: 100, delayed: 300, latency: seed % 500)
            transfer(
                seed: seed, conditions, bytes: (Int(seed % 4001), Int(seed % 3001)), mtu: 1280, fromHost: seed % 2 == 0,
                limits: limits)
        }
    }

    @Test("small buffers and a narrow link only slow things down")
    func small() {
        for seed in 0..<60 as Range<UInt64> {
            var generator = SeededGenerator(seed)
            var limits = StackLimits()
            limits.receiveBuffer = Int.random(in: 1000...30000, using: &generator)
            limits.sendBuffer = Int.random(in: 1000...30000, using: &generator)
            limits.totalBuffers = 1 << 18
            let conditions = LinkConditions(
                lost: seed % 2 == 0 ? 0 : 30, latency: 200, capacity: Int.random(in: 1600...8000, using: &generator))
            transfer(seed: seed, conditions, bytes: (100_000, 100_000), limits: limits)
        }
    }
}
