import CLinux
import Glibc

/// A counter that one thread raises and another waits for: eventfd(2).
public struct EventDescriptor: Sendable {
    /// Readable while the counter is not zero.
    public let descriptor: Descriptor

    /// A counter at zero.
    /// - Parameter blocking: whether ``reset()`` waits until the counter is not zero.
    public init(blocking: Bool = false) throws(SystemError) {
        let number = linux_eventfd(blocking)
        guard number >= 0 else { throw SystemError("eventfd") }
        descriptor = Descriptor(owning: number)
    }

    /// Raises the counter, which wakes a waiting reader.
    public func signal() {
        var one: UInt64 = 1
        // Fails only when 2^64 - 2 signals are pending, and then the reader is awake.
        _ = write(descriptor.rawValue, &one, MemoryLayout<UInt64>.size)
    }

    /// Sets the counter back to zero.
    public func reset() {
        var count: UInt64 = 0
        _ = read(descriptor.rawValue, &count, MemoryLayout<UInt64>.size)
    }
}
