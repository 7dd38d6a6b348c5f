import CLinux
import Glibc
import HeapModule
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState

/// What waits for a descriptor in the gateway's loop.
protocol DescriptorHandler: AnyObject {
    /// Something has happened to the descriptor.
    func ready(_ events: Epoll.Events, in loop: GatewayLoop)
}

/// What waits for a time in the gateway's loop.
protocol TimeHandler: AnyObject {
    /// The time has come, or nearly.
    /// - Returns: when to be called again; `nil` for never.
    func timeHasCome(in loop: GatewayLoop) -> UInt64?
}

/// All that the gateway's one thread knows: the link to the guest, the stack, and what carries its traffic outside.
///
/// The thread waits for descriptors and the next deadline, and for nothing else. Every descriptor but the link's is told
/// of when it changes only; its handler remembers that it may read or write until the kernel says that it may not. So
/// nothing is asked twice, and nothing is missed: whoever has room again, or something to give, is looked at.
final class GatewayLoop {
    let stack: NetworkStack
    let link: FrameLink
    let addresses: HostAddresses
    let guest: GuestAddresses
    var judge: Judge
    var recorder: EventRecorder
    var limits: NetworkLimits
    /// Through which connections go, where they go through one.
    let proxy: ProxyServer?

    /// This turn's time, in nanoseconds of the monotonic clock.
    private(set) var now: UInt64 {
        get { clock.now }
        set { clock.now = newValue }
    }
    private let clock: Clock

    private final class Clock {
        var now = HostClock.monotonic
    }

    /// Connections by their number in the stack.
    var streams: [ConnectionID: any StreamHandler] = [:]
    var datagrams: [DatagramFlow.Key: DatagramFlow] = [:]
    var echoes: [EchoFlow.Key: EchoFlow] = [:]
    var ports: [PublishedPort: any PortListener] = [:]
    let names: NameService
    /// Who opens the guest's connections of TLS and HTTP; `nil` when nobody does.
    private(set) var interception: InterceptionLink?
    /// The private networks that the sandbox is in; `nil` when it is in none.
    private(set) var networks: PrivateNetworks?
    /// The addresses from which the guest may begin something.
    let ownAddresses: Set<IPAddress>
    /// Clients outside of published ports of UDP, by the gateway's port under which the guest knows them.
    var answers: [UInt16: (listener: DatagramListener, client: Endpoint)] = [:]
    var lastPort: UInt16 = 1023
    /// Connections in a second.
    var connectionBucket: TokenBucket?
    /// Why the host's ping sockets are closed was told.
    var toldOfPing = false

    private let epoll: Epoll
    private let commands: CommandQueue
    private var handlers: [Handler] = []
    private var freeHandlers: [Int] = []
    private var timers = Heap<Timer>()
    /// Streams that had more to do than one turn allows.
    private var unfinished: [any StreamHandler] = []
    private var egress: RateLimit
    private var ingress: RateLimit
    private var hasEnded = false
    /// Whether the loop wakes when the engine has read something.
    private var waitsForLink = false
    let sleepingPorts: SleepingPorts?
    /// Whether those are let in who call at published ports.
    var admitsCallers: Bool
    /// Hears whether published ports are used, whenever that changes.
    let tellUse: (Bool) -> Void
    var isUsed = false
    /// Connections through published ports.
    var callers = 0
    /// Whether the machine stands still, or is about to: nothing goes to it, and its time stands.
    private(set) var isHeld = false
    private var heldSince: UInt64 = 0
    private var heldTime: UInt64 = 0
    private var settlements: [Settlement] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    private struct Handler {
        var handler: (any DescriptorHandler)?
        var generation: UInt32 = 0
    }

    private struct Timer: Comparable {
        let deadline: UInt64
        let handler: any TimeHandler
        static func < (one: Self, other: Self) -> Bool { one.deadline < other.deadline }
        static func == (one: Self, other: Self) -> Bool { one.deadline == other.deadline }
    }

    private static let linkEvents: Epoll.Events = [.readable, .changesOnly]
    private static let linkToken = UInt64.max
    private static let commandToken = UInt64.max - 1
    private static let addressToken = UInt64.max - 2

    /// - Throws: `SystemError`.
    init(
        _ socket: Descriptor, _ configuration: GatewayConfiguration, _ commands: CommandQueue,
        _ tell: @escaping @Sendable (NetworkEvent) -> Void
    ) throws {
        sleepingPorts = configuration.sleepingPorts
        admitsCallers = configuration.admitsCallers
        tellUse = configuration.tellUse
        try socket.setNonblocking(true)
        link = FrameLink(socket)
        stack = NetworkStack(configuration.stack, output: link)
        addresses = try HostAddresses()
        guest = configuration.addresses
        ownAddresses = Set([guest.guest, guest.guestV6] + configuration.memberships.flatMap(\.addresses))
        let clock = Clock()
        self.clock = clock
        judge = Judge(
            configuration.policy, gateways: [guest.gateway, guest.gatewayV6], host: addresses.current,
            clock: { clock.now })
        recorder = EventRecorder(configuration.sandbox, tell)
        limits = configuration.limits
        proxy = configuration.proxy.map { ProxyServer($0, given: configuration.nameServers) }
        connectionBucket = limits.connectionsPerSecond.map { TokenBucket(rate: $0, burst: $0) }
        egress = RateLimit(limits.egress)
        ingress = RateLimit(limits.ingress)
        self.commands = commands
        names = NameService(configuration.nameServers)
        epoll = try Epoll()
        try epoll.add(socket.rawValue, Self.linkEvents, token: Self.linkToken)
        try epoll.add(commands.wakeup.descriptor.rawValue, .readable, token: Self.commandToken)
        try epoll.add(addresses.changes.rawValue, .readable, token: Self.addressToken)
        if let (socket, secrets) = configuration.interception {
            let link = InterceptionLink(socket, secrets)
            interception = link
            try link.begin(in: self)
        }
        guard !configuration.memberships.isEmpty, let directory = configuration.directory else { return }
        let networks = PrivateNetworks(configuration.memberships, directory)
        self.networks = networks
        try networks.begin(in: self)
    }

    /// The stack's time: it stands while the machine does.
    var time: Instant { Instant(nanoseconds: now &- heldTime) }

    // MARK: The loop

    /// Works until it is told to end, or the engine has hung up.
    func run() {
        var buffer = [linux_ready](repeating: linux_ready(), count: 256)
        while !hasEnded {
            guard let count = try? epoll.wait(&buffer, nanoseconds: patience()) else { return }
            now = HostClock.monotonic
            for ready in buffer.prefix(count) { dispatch(ready.token, Epoll.Events(rawValue: ready.events)) }
            work()
        }
    }

    private func dispatch(_ token: UInt64, _ events: Epoll.Events) {
        switch token {
        case Self.linkToken:
            if !events.isDisjoint(with: [.readable, .hungUp, .failed]) { link.mayRead = true }
            if !events.isDisjoint(with: [.writable, .hungUp, .failed]) { link.mayWrite = true }
        case Self.commandToken: for command in commands.take() { command(self) }
        case Self.addressToken:
            try? addresses.update()
            judge.setHost(addresses.current)
            judgeAgain()
        default:
            let index = Int(token & 0xFFFF_FFFF)
            guard index < handlers.count, handlers[index].generation == UInt32(token >> 32) else { return }
            handlers[index].handler?.ready(events, in: self)
        }
    }

    /// Everything that there is to do at this moment.
    private func work() {
        do {
            if !isHeld { stack.advance(to: time) }
            try readLink()
            handleEvents()
            expireTimers()
            let again = unfinished
            unfinished = []
            for stream in again {
                stream.isWaitingForTurn = false
                stream.work(in: self)
            }
            handleEvents()
            networks?.port?.work(in: self)
            try flushLink()
            recorder.tellLeftOut(at: now)
            tellSettled()
            try waitForLink()
            noteUse()
        } catch {
            // The engine has ended, or does not keep to its protocol: either way there is no network any more.
            hasEnded = true
        }
    }

    private func readLink() throws(FrameLink.Failure) {
        let before = link.received
        let time = time
        // The guest's answers to what it is sent come with its own frames: both are looked at together.
        try link.readFrames(while: { self.egress.allows(at: self.now) }) { frame in
            stack.receive(frame, at: time)
            egress.spend(UInt64(frame.count), frames: 1, at: now)
            handleEvents()
        }
        if link.received != before { try flushLink() }
    }

    /// Gives the link what the stack has laid down, as fast as the limit allows.
    private func flushLink() throws(FrameLink.Failure) {
        while ingress.allows(at: now) {
            let before = link.sent
            let (frames, bytes) = link.takeCounts()
            ingress.spend(bytes, frames: frames, at: now)
            guard try link.flush() else { return }
            stack.outputReady(at: time)
            handleEvents()
            if link.sent == before, link.isEmpty { return }
        }
    }

    /// Wakes by what the engine reads only where something waits for it: else that would be once for each frame.
    private func waitForLink() throws(FrameLink.Failure) {
        let waits = !link.mayWrite || !settlements.isEmpty
        guard waits != waitsForLink else { return }
        waitsForLink = waits
        let events = waits ? Self.linkEvents.union(.writable) : Self.linkEvents
        do { try epoll.change(link.socket.rawValue, events, token: Self.linkToken) } catch { throw .broken }
    }

    private func handleEvents() {
        while let event = stack.nextEvent() { handle(event) }
    }

    private func handle(_ event: StackEvent) {
        switch event {
        case .requested(let id, let from, let to): streamRequested(id, from, to)
        case .established(let id): streams[id]?.established(in: self)
        case .readable(let id), .writable(let id): streams[id]?.work(in: self)
        case .finished(let id): streams[id]?.finished(in: self)
        case .closed(let id, let reason):
            streams.removeValue(forKey: id)?.closed(reason, in: self)
        case .datagram(let datagram): datagramReceived(datagram)
        case .echo(let request): echoRequested(request)
        case .refused(let packet): packetRefused(packet)
        case .datagramRefused(let from, let to): datagramRefused(from, to)
        case .packet(let packet): networks?.guestSent(packet, in: self)
        }
    }

    /// Looks at a stream again when others have had their turn.
    func continueLater(_ stream: any StreamHandler) { unfinished.append(stream) }

    /// How long to wait, in nanoseconds; `nil` for ever.
    private func patience() -> UInt64? {
        if !unfinished.isEmpty || link.mayRead && egress.allows(at: now) { return 0 }
        if networks?.port?.hasWork(in: self) == true { return 0 }
        // What a limit has stopped goes on by time, what the other side has stopped by an event.
        var next: UInt64?
        func consider(_ deadline: UInt64?) { if let deadline { next = min(next ?? .max, deadline) } }
        if !isHeld { consider(stack.deadline.map { $0.nanoseconds &+ heldTime }) }
        consider(timers.min?.deadline)
        consider(recorder.deadline)
        if link.mayRead { consider(egress.deadline(at: now)) }
        if !link.isEmpty, link.mayWrite { consider(ingress.deadline(at: now)) }
        guard let next else { return nil }
        let current = HostClock.monotonic
        return next > current ? next - current : 0
    }

    // MARK: Descriptors and times

    /// Waits for a descriptor until ``forget(_:)``.
    /// - Parameter events: what for; by default all that a connection can tell, when it changes.
    /// - Returns: the token under which it is known.
    /// - Throws: `SystemError`.
    func wait(
        for descriptor: Int32, _ handler: any DescriptorHandler,
        _ events: Epoll.Events = [.readable, .writable, .peerClosed, .changesOnly]
    ) throws(SystemError) -> UInt64 {
        let index = freeHandlers.popLast() ?? handlers.count
        if index == handlers.count { handlers.append(Handler()) }
        let token = UInt64(handlers[index].generation) << 32 | UInt64(index)
        do throws(SystemError) {
            try epoll.add(descriptor, events, token: token)
        } catch {
            freeHandlers.append(index)
            throw error
        }
        handlers[index].handler = handler
        return token
    }

    /// Changes what a descriptor is waited for.
    func change(_ token: UInt64, _ descriptor: Int32, _ events: Epoll.Events) {
        try? epoll.change(descriptor, events, token: token)
    }

    /// Waits no more for a descriptor that another handler is to have.
    func release(_ token: UInt64, _ descriptor: Int32) {
        try? epoll.remove(descriptor)
        forget(token)
    }

    /// Lends the one buffer for datagrams.
    func withBuffer(_ body: (UnsafeMutableRawBufferPointer) -> Void) { buffer.withUnsafeMutableBytes(body) }

    /// Waits no more for a descriptor, which is about to be closed.
    func forget(_ token: UInt64) {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < handlers.count, handlers[index].generation == UInt32(token >> 32) else { return }
        handlers[index].handler = nil
        // After 2^32 uses a late event could be taken for a new one's, which then finds nothing to do.
        handlers[index].generation &+= 1
        freeHandlers.append(index)
    }

    /// Calls a handler when this time has come.
    func wait(until deadline: UInt64, _ handler: any TimeHandler) {
        timers.insert(Timer(deadline: deadline, handler: handler))
    }

    private func expireTimers() {
        while let timer = timers.min, timer.deadline <= now {
            timers.removeMin()
            if let next = timer.handler.timeHasCome(in: self) { wait(until: max(next, now + 1), timer.handler) }
        }
    }

    // MARK: Standing still

    /// Sends nothing more to the guest.
    /// - Parameter done: called once, when the engine has taken all that was sent, or not in time.
    func hold(_ done: @escaping (Bool) -> Void) {
        if !isHeld {
            isHeld = true
            link.isClosed = true
            heldSince = now
            suspendPorts()
        }
        let settlement = Settlement(deadline: now &+ Settlement.patience, isReached: { [link] in link.isTaken }, done)
        settlements.append(settlement)
        wait(until: settlement.deadline, settlement)
    }

    /// Waits until no frame of the machine, whose processors stand, has come in part only.
    func settle(_ done: @escaping (Bool) -> Void) {
        link.mayRead = true
        let settlement = Settlement(
            deadline: now &+ Settlement.patience, isReached: { [link] in !link.hasPartialFrame }, done)
        settlements.append(settlement)
        wait(until: settlement.deadline, settlement)
    }

    /// Goes on.
    func release() {
        guard isHeld else { return }
        isHeld = false
        link.isClosed = false
        heldTime &+= now &- heldSince
        link.mayWrite = true
        suspendPorts()
        stack.outputReady(at: time)
    }

    /// Ends the loop.
    func end() { hasEnded = true }

    /// Ends all connections and listens no more.
    func finish() {
        for listener in ports.values {
            // Of a machine that stands still another gateway may go on with the ports.
            if let socket = listener.giveUp(in: self), isHeld { sleepingPorts?.keep(socket, of: listener.port) }
        }
        for stream in Array(streams.values) { stream.abort(in: self) }
        for flow in Array(datagrams.values) { flow.close(in: self) }
        for flow in Array(echoes.values) { flow.close(in: self) }
        networks?.close(in: self)
    }

    private func tellSettled() {
        settlements.removeAll { $0.isOver(at: now) }
    }
}

/// Somebody who waits for the link to come to rest.
private final class Settlement: TimeHandler {
    /// How long the engine may take, in nanoseconds.
    static let patience: UInt64 = 5_000_000_000

    let deadline: UInt64
    private let isReached: () -> Bool
    private var done: ((Bool) -> Void)?

    init(deadline: UInt64, isReached: @escaping () -> Bool, _ done: @escaping (Bool) -> Void) {
        self.deadline = deadline
        self.isReached = isReached
        self.done = done
    }

    /// Whether it was told; tells it when there is something to tell.
    func isOver(at now: UInt64) -> Bool {
        let isReached = isReached()
        guard isReached || now >= deadline else { return false }
        done?(isReached)
        done = nil
        return true
    }

    // The loop looks at it in every turn.
    func timeHasCome(in loop: GatewayLoop) -> UInt64? { nil }
}
