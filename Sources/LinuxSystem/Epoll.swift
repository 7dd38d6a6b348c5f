import CLinux
import Glibc

/// Waits for many descriptors at once: epoll(7).
public struct Epoll: Sendable {
    /// What a descriptor is waited for, or found to be.
    public struct Events: OptionSet, Sendable {
        /// The bits of epoll(7).
        public let rawValue: UInt32

        /// Events of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// There is something to read, a connection to accept, or an end.
        public static let readable = Events(rawValue: linux_readable)
        /// There is room to write, or a connection is made.
        public static let writable = Events(rawValue: linux_writable)
        /// The other side writes no more.
        public static let peerClosed = Events(rawValue: linux_peer_closed)
        /// Nothing can be read or written any more; always waited for.
        public static let hungUp = Events(rawValue: linux_hung_up)
        /// There is an error to be fetched; always waited for.
        public static let failed = Events(rawValue: linux_failed)
        /// Only changes are told.
        public static let changesOnly = Events(rawValue: linux_edge)
    }

    private let descriptor: Descriptor

    /// Waits for nothing yet.
    /// - Throws: ``SystemError``.
    public init() throws(SystemError) {
        descriptor = Descriptor(owning: linux_epoll())
        guard descriptor.rawValue >= 0 else { throw SystemError("make an epoll") }
    }

    /// Adds a descriptor; closing it takes it out again.
    /// - Parameter token: tells it from others in ``wait(_:nanoseconds:_:)``.
    /// - Throws: ``SystemError``.
    public func add(_ other: Int32, _ events: Events, token: UInt64) throws(SystemError) {
        guard linux_epoll_set(descriptor.rawValue, other, events.rawValue, token, true) == 0 else {
            throw SystemError("wait for a descriptor")
        }
    }

    /// Changes what a descriptor is waited for.
    /// - Throws: ``SystemError``.
    public func change(_ other: Int32, _ events: Events, token: UInt64) throws(SystemError) {
        guard linux_epoll_set(descriptor.rawValue, other, events.rawValue, token, false) == 0 else {
            throw SystemError("wait for a descriptor")
        }
    }

    /// Takes out a descriptor that stays open.
    /// - Throws: ``SystemError``.
    public func remove(_ other: Int32) throws(SystemError) {
        guard linux_epoll_remove(descriptor.rawValue, other) == 0 else {
            throw SystemError("wait no more for a descriptor")
        }
    }

    /// Waits until at least one is ready.
    /// - Parameters:
    ///   - ready: where the kernel tells; at most 256 are told at once.
    ///   - nanoseconds: longest time; `nil` for ever.
    /// - Returns: how many are ready.
    /// - Throws: ``SystemError``.
    public func wait(_ ready: inout [linux_ready], nanoseconds: UInt64?) throws(SystemError) -> Int {
        let time = nanoseconds.map { Int64(clamping: $0) } ?? -1
        let count = ready.withUnsafeMutableBufferPointer {
            linux_epoll_wait(descriptor.rawValue, $0.baseAddress, Int32(clamping: $0.count), time)
        }
        guard count >= 0 else { throw SystemError("wait for descriptors") }
        return Int(count)
    }
}
