import Glibc
import LinuxSystem
import NetworkAddress
import NetworkStack
import SandboxState

/// Datagrams between one endpoint of the guest and one outside, and the socket that carries them. It answers from there
/// only: what anybody else sends to the socket's port the host's kernel drops.
final class DatagramFlow: DescriptorHandler, TimeHandler {
    /// What tells one from another.
    struct Key: Hashable {
        let guest: Endpoint
        let remote: Endpoint
    }

    let key: Key
    let rule: String
    let names: [DomainName]
    private var socket: InternetSocket
    private var token: UInt64 = 0
    private var lastUsed: UInt64
    private var wasAnswered = false
    private var isClosed = false
    private var (bytesOut, bytesIn): (UInt64, UInt64) = (0, 0)
    /// Quoted when the outside says that nobody is there.
    private var last: Datagram?

    /// How long a flow is kept that nothing comes over, in nanoseconds: unanswered, and answered.
    private static let (shortPatience, patience): (UInt64, UInt64) = (30_000_000_000, 180_000_000_000)
    /// Datagrams that one turn brings in.
    private static let turn = 64

    /// - Throws: `SystemError`.
    init(_ key: Key, connectedTo target: Endpoint, rule: String, names: [DomainName], in loop: GatewayLoop)
        throws(SystemError)
    {
        self.key = key
        self.rule = rule
        self.names = names
        lastUsed = loop.now
        socket = try InternetSocket(.datagram, isV4: target.address.isV4)
        _ = try socket.connect(to: target)
        token = try loop.wait(for: socket.number, self)
        loop.wait(until: loop.now + Self.shortPatience, self)
    }

    /// Carries a datagram outside.
    func send(_ datagram: Datagram, in loop: GatewayLoop) {
        lastUsed = loop.now
        let count = datagram.payload.withUnsafeBytes { socket.send($0) }
        last = datagram
        // Room is missing for a moment only, and datagrams may be lost; a refusal is of an earlier one.
        if count >= 0 { bytesOut &+= UInt64(count) } else if errno != EAGAIN { refused(errno, in: loop) }
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        guard !isClosed else { return }
        loop.withBuffer { buffer in
            while !isClosed {
                let count = socket.read(into: buffer)
                if count < 0 {
                    if errno == EAGAIN { return }
                    refused(errno, in: loop)
                    // The error is fetched by that; what is behind it comes next.
                    continue
                }
                lastUsed = loop.now
                wasAnswered = true
                bytesIn &+= UInt64(count)
                _ = loop.stack.sendDatagram(
                    from: key.remote, to: key.guest, UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: loop.time)
            }
        }
    }

    /// The outside has said that it cannot be reached.
    private func refused(_ error: Int32, in loop: GatewayLoop) {
        guard let last else { return close(in: loop) }
        switch error {
        case ECONNREFUSED: loop.stack.refuse(last, .portUnreachable, at: loop.time)
        case EMSGSIZE: return
        default: loop.stack.refuse(last, Refusal(error), at: loop.time)
        }
        if error != ECONNREFUSED { close(in: loop) }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        if isClosed { return nil }
        let end = lastUsed + (wasAnswered ? Self.patience : Self.shortPatience)
        if end > loop.now { return end }
        close(in: loop)
        return nil
    }

    /// Ends it.
    func close(in loop: GatewayLoop) {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(token)
        socket.close()
        last = nil
        loop.datagrams[key] = nil
        if loop.judge.policy.recordsAllowed {
            loop.recordEnd(
                .egress, "udp", key.remote, port: key.remote.port, rule: rule, name: names.first, bytesOut, bytesIn)
        }
    }
}
