import CLinux
import Glibc
import LinuxSystem
import SandboxState

/// Where the gateways of other members connect to, and the connections on which their packets come.
final class MemberPort: DescriptorHandler, TimeHandler {
    private let listener: Descriptor
    private let place: Descriptor
    private var token: UInt64 = 0
    private var isClosed = false
    private var connections: [ObjectIdentifier: MemberConnection] = [:]
    /// Those that have more than the guest takes at this moment.
    private var unread: [MemberConnection] = []

    /// Most connections at one time.
    private static let most = 4096
    /// When a connection is tried to be taken again, in nanoseconds.
    private static let patience: UInt64 = 1_000_000_000

    /// Listens in the sandbox's own directory.
    /// - Throws: `SystemError`.
    init(_ directory: SandboxDirectory, in loop: GatewayLoop) throws(SystemError) {
        place = try Descriptor(opening: directory.socketDirectory, linux_open_path)
        listener = try UnixSocket.listen(SandboxDirectory.networkSocketName, in: place, keepsMessages: true)
        try listener.setNonblocking(true)
        token = try loop.wait(for: listener.rawValue, self, [.readable, .changesOnly])
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        while let socket = UnixSocket.accept(listener) {
            guard UnixSocket.isOfThisUser(socket), connections.count < Self.most,
                let connection = try? MemberConnection(socket, in: loop)
            else { continue }
            connections[ObjectIdentifier(connection)] = connection
        }
        // Nobody tells when there is room for one more.
        if errno != EAGAIN, !isClosed { loop.wait(until: loop.now + Self.patience, self) }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        if !isClosed { ready(.readable, in: loop) }
        return nil
    }

    /// Somebody has sent something.
    func mayRead(_ connection: MemberConnection) {
        if !connection.isWaiting { unread.append(connection) }
        connection.isWaiting = true
    }

    /// A connection is over.
    func ended(_ connection: MemberConnection) { connections[ObjectIdentifier(connection)] = nil }

    /// Whether something can be done at once.
    func hasWork(in loop: GatewayLoop) -> Bool { !unread.isEmpty && loop.stack.hasRoom }

    /// Takes what the guest has room for, from each a little in turn.
    func work(in loop: GatewayLoop) {
        guard !unread.isEmpty, loop.stack.hasRoom else { return }
        let turn = unread
        unread = []
        for (index, connection) in turn.enumerated() {
            guard loop.stack.hasRoom else {
                unread += turn[index...]
                return
            }
            connection.isWaiting = false
            if connection.read(in: loop) { mayRead(connection) }
        }
    }

    /// Listens no more, and hangs up.
    func close(in loop: GatewayLoop) {
        isClosed = true
        loop.forget(token)
        unlinkat(place.rawValue, SandboxDirectory.networkSocketName, 0)
        for connection in Array(connections.values) { connection.close(in: loop) }
    }
}

/// A connection on which the packets of one member come.
final class MemberConnection: DescriptorHandler {
    private let socket: Descriptor
    private var token: UInt64 = 0
    private var isClosed = false
    /// Who sends them; `nil` until it has said so.
    private var sender: String?
    /// Whether it stands in line to be read.
    var isWaiting = false

    /// Most packets that are read in one turn.
    private static let turn = 64

    init(_ socket: Descriptor, in loop: GatewayLoop) throws(SystemError) {
        self.socket = socket
        socket.setBuffers(bytes: 1 << 20)
        token = try loop.wait(for: socket.rawValue, self, [.readable, .peerClosed, .changesOnly])
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) { loop.networks?.port?.mayRead(self) }

    /// Reads packets.
    /// - Returns: whether there may be more.
    func read(in loop: GatewayLoop) -> Bool {
        for _ in 0..<Self.turn {
            guard !isClosed else { return false }
            guard loop.stack.hasRoom else { return true }
            var (count, error) = (0, Int32(0))
            loop.withBuffer { buffer in
                repeat {
                    count = recv(socket.rawValue, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                } while count < 0 && errno == EINTR
                error = errno
                if count > 0 { take(UnsafeRawBufferPointer(rebasing: buffer[..<count]), in: loop) }
            }
            if count > 0 { continue }
            if count == 0 || error != EAGAIN { close(in: loop) }
            return false
        }
        return true
    }

    private func take(_ message: UnsafeRawBufferPointer, in loop: GatewayLoop) {
        guard let networks = loop.networks else { return }
        if let sender { return networks.memberSent(message, sender, in: loop) }
        // Nobody else has anything to say here.
        guard let id = MemberGreeting.sender(message)?.description, networks.isMember(id, in: loop) else {
            return close(in: loop)
        }
        sender = id
    }

    /// Hangs up.
    func close(in loop: GatewayLoop) {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(token)
        shutdown(socket.rawValue, Int32(SHUT_RDWR))
        loop.networks?.port?.ended(self)
    }
}
