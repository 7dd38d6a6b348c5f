import Glibc
import LinuxSystem
import NetworkAddress
import NetworkStack

/// Pings of one program in the guest to one address, through a ping socket of the host's (icmp(7)), which needs no rights
/// where `net.ipv4.ping_group_range` allows it.
final class EchoFlow: DescriptorHandler, TimeHandler {
    /// What tells one from another.
    struct Key: Hashable {
        let guest: IPAddress
        let remote: IPAddress
        let identifier: UInt16
    }

    let key: Key
    private var socket: InternetSocket
    private var token: UInt64 = 0
    private var lastUsed: UInt64
    private var isClosed = false
    /// Pings that were not answered yet, by their count.
    private var waiting: [UInt16: EchoRequest] = [:]

    /// How long an answer may take, in nanoseconds.
    private static let patience: UInt64 = 10_000_000_000
    /// Most pings that wait for an answer.
    private static let most = 64

    /// - Throws: `SystemError`: `EACCES` where the host closes ping sockets.
    init(_ key: Key, in loop: GatewayLoop) throws(SystemError) {
        self.key = key
        lastUsed = loop.now
        socket = try InternetSocket(.echo, isV4: key.remote.isV4)
        _ = try socket.connect(to: Endpoint(key.remote, 0))
        token = try loop.wait(for: socket.number, self)
        loop.wait(until: loop.now + Self.patience, self)
    }

    /// Carries a ping outside.
    func send(_ request: EchoRequest, in loop: GatewayLoop) {
        lastUsed = loop.now
        if waiting.count >= Self.most { waiting.removeAll() }
        waiting[request.sequence] = request
        // Type, code, checksum, identifier and count; the kernel fills in checksum and identifier.
        let type: UInt8 = key.remote.isV4 ? 8 : 128
        let header = [type, 0, 0, 0, 0, 0, UInt8(request.sequence >> 8), UInt8(request.sequence & 255)]
        let count = (header + request.payload).withUnsafeBytes { socket.send($0) }
        guard count < 0, errno != EAGAIN else { return }
        waiting[request.sequence] = nil
        loop.stack.refuse(request, Refusal(errno), at: loop.time)
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        loop.withBuffer { buffer in
            while !isClosed {
                let count = socket.read(into: buffer)
                if count < 0 {
                    guard errno != EAGAIN else { return }
                    let error = errno
                    for request in waiting.values { loop.stack.refuse(request, Refusal(error), at: loop.time) }
                    waiting.removeAll()
                    continue
                }
                let type: UInt8 = key.remote.isV4 ? 0 : 129
                guard count >= 8, buffer[0] == type else { continue }
                let sequence = UInt16(buffer[6]) << 8 | UInt16(buffer[7])
                guard let request = waiting.removeValue(forKey: sequence) else { continue }
                loop.stack.sendEchoReply(
                    request, payload: UnsafeRawBufferPointer(rebasing: buffer[8..<count]), at: loop.time)
            }
        }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        if isClosed { return nil }
        let end = lastUsed + Self.patience
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
        loop.echoes[key] = nil
    }
}
