import CAgent
import Glibc

/// What a descriptor is ready for, as epoll reports it.
struct Readiness: OptionSet {
    let rawValue: UInt32

    static let input = Readiness(rawValue: 0x001)
    static let output = Readiness(rawValue: 0x004)
    static let error = Readiness(rawValue: 0x008)
    static let hangUp = Readiness(rawValue: 0x010)
    fileprivate static let edge = Readiness(rawValue: 1 << 31)
}

/// Waits for descriptors and deadlines, in one thread.
///
/// Watches are edge-triggered: a handler hears once that its descriptor became ready and must remember that until a
/// read or write says EAGAIN. So a source that may not be read right now costs nothing and never spins.
final class EventLoop {
    typealias Handler = (Readiness) -> Void

    private let epoll: Descriptor
    private var handlers: [UInt64: Handler] = [:]
    private var watches: [Int32: UInt64] = [:]
    private var nextNumber: UInt64 = 0
    private var deadlines: [UInt64: (at: UInt64, action: () -> Void)] = [:]
    private var events = [epoll_event](repeating: epoll_event(), count: 64)

    init() throws(AgentError) {
        epoll = Descriptor(try AgentError.check("make an epoll descriptor") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    /// Calls `handler` whenever the descriptor becomes ready; at once if it is ready now.
    func watch(_ descriptor: Descriptor, for interest: Readiness, _ handler: @escaping Handler) throws(AgentError) {
        nextNumber &+= 1
        let number = nextNumber
        var event = epoll_event()
        event.events = interest.union(.edge).rawValue
        event.data.u64 = number
        try AgentError.check("watch a descriptor") {
            epoll_ctl(epoll.number, EPOLL_CTL_ADD, descriptor.number, &event)
        }
        handlers[number] = handler
        watches[descriptor.number] = number
    }

    /// Ends a watch; its handler is not called again, not even for events already fetched.
    func forget(_ descriptor: Descriptor) {
        guard let number = watches.removeValue(forKey: descriptor.number) else { return }
        handlers[number] = nil
        epoll_ctl(epoll.number, EPOLL_CTL_DEL, descriptor.number, nil)
    }

    /// Calls `action` once after so many milliseconds.
    /// - Returns: a number for ``cancel(_:)``.
    @discardableResult
    func after(milliseconds: UInt64, _ action: @escaping () -> Void) -> UInt64 {
        nextNumber &+= 1
        let (nanoseconds, tooLong) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let (at, tooLate) = EventLoop.now().addingReportingOverflow(nanoseconds)
        deadlines[nextNumber] = (tooLong || tooLate ? .max : at, action)
        return nextNumber
    }

    /// Forgets a deadline.
    func cancel(_ number: UInt64) { deadlines[number] = nil }

    /// Waits until something is ready or due, unless `mayWait` is false, and calls the handlers.
    func turn(mayWait: Bool) throws(AgentError) {
        let count = epoll_wait(epoll.number, &events, Int32(events.count), mayWait ? milliseconds() : 0)
        if count < 0 && errno != EINTR { throw .system("wait for events", errno) }
        for event in events.prefix(Int(max(count, 0))) {
            handlers[event.data.u64]?(Readiness(rawValue: event.events))
        }
        guard !deadlines.isEmpty else { return }
        let now = EventLoop.now()
        for (number, deadline) in deadlines where deadline.at <= now {
            if deadlines.removeValue(forKey: number) != nil { deadline.action() }
        }
    }

    private func milliseconds() -> Int32 {
        guard let next = deadlines.values.lazy.map(\.at).min() else { return -1 }
        let now = EventLoop.now()
        guard next > now else { return 0 }
        // Rounded up, so that the loop does not wake just before the deadline.
        return Int32(clamping: (next - now) / 1_000_000 + 1)
    }

    /// Nanoseconds of the clock that setting the time of day does not move.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}
