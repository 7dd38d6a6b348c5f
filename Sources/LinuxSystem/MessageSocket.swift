import CLinux
import Glibc

/// One message from a socket that keeps their bounds.
public struct ReceivedMessage: Sendable {
    /// How many bytes it has; 0 when the other end is gone.
    public let count: Int
    /// The descriptors that came with it, at most two.
    public let descriptors: [Descriptor]
}

extension Descriptor {
    /// Sends one message on a socket that keeps their bounds, with descriptors where there are some.
    /// - Parameters:
    ///   - passed: at most two descriptors, of which the receiver gets copies of its own.
    ///   - waits: whether the calling thread waits for room.
    /// - Throws: ``SystemError``: `EAGAIN` without room, `EMSGSIZE` when the message is too long for the socket.
    public func sendMessage(
        _ bytes: UnsafeRawBufferPointer, passing passed: [Descriptor] = [], waits: Bool
    ) throws(SystemError) {
        let numbers = passed.map(\.rawValue)
        // The kernel takes its references before the call returns; until then `passed` keeps the descriptors open.
        let sent = withExtendedLifetime(passed) {
            linux_send_message(
                rawValue, bytes.baseAddress, bytes.count, numbers, Int32(clamping: numbers.count), waits)
        }
        guard sent == bytes.count else { throw SystemError("send a message") }
    }

    /// Receives one message from a socket that keeps their bounds.
    /// - Parameter waits: whether the calling thread waits for one.
    /// - Throws: ``SystemError``: `EAGAIN` when there is none, `EMSGSIZE` when it is longer than `buffer` or more than two
    ///   descriptors came with it; it is lost then.
    public func receiveMessage(
        into buffer: UnsafeMutableRawBufferPointer, waits: Bool
    ) throws(SystemError) -> ReceivedMessage {
        var numbers: (Int32, Int32) = (-1, -1)
        let count = withUnsafeMutableBytes(of: &numbers) { numbers in
            linux_receive_message(
                rawValue, buffer.baseAddress, buffer.count, numbers.assumingMemoryBound(to: Int32.self).baseAddress,
                waits)
        }
        guard count >= 0 else { throw SystemError("receive a message") }
        let descriptors = [numbers.0, numbers.1].filter { $0 >= 0 }.map { Descriptor(owning: $0) }
        return ReceivedMessage(count: count, descriptors: descriptors)
    }
}
