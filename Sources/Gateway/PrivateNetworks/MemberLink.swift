import CLinux
import Glibc
import LinuxSystem
import SandboxState

/// The way of packets to one member: a connection to its gateway, on which that says nothing.
final class MemberLink: DescriptorHandler {
    /// Most bytes that wait for one member, and for all.
    private static let (most, mostOfAll) = (4 << 20, 32 << 20)

    /// What all links of a gateway have waiting, in bytes.
    final class Backlog {
        var bytes = 0
    }

    let member: String
    private let socket: Descriptor
    private let backlog: Backlog
    private var token: UInt64 = 0
    /// What the kernel has not taken yet, from `first` on.
    private var waiting: [[UInt8]] = []
    private var first = 0
    private var waitingBytes = 0
    private var isClosed = false
    /// When something was sent last.
    private(set) var lastUsed: UInt64

    /// Connects to a member's gateway.
    /// - Throws: `SystemError`: `ENOENT` or `ECONNREFUSED` when it has none at this moment.
    init(to id: SandboxID, from own: SandboxDirectory, _ backlog: Backlog, in loop: GatewayLoop) throws(SystemError) {
        member = id.description
        self.backlog = backlog
        lastUsed = loop.now
        let place = try Descriptor(
            opening: SandboxDirectory(id, in: own.home).socketDirectory, linux_open_path)
        socket = try UnixSocket.connect(
            SandboxDirectory.networkSocketName, in: place, keepsMessages: true, waits: false)
        guard UnixSocket.isOfThisUser(socket) else {
            throw SystemError("send packets to sandbox \(id), whose socket is another user's", number: EPERM)
        }
        socket.setBuffers(bytes: 1 << 20)
        token = try loop.wait(for: socket.rawValue, self)
        send(MemberGreeting.message(from: own.id), in: loop)
    }

    /// Sends a packet, now or when there is room. One for which there is none is lost, as on any network.
    func send(_ packet: [UInt8], in loop: GatewayLoop) {
        guard !isClosed else { return }
        lastUsed = loop.now
        if first == waiting.count, give(packet) { return }
        guard waitingBytes + packet.count <= Self.most, backlog.bytes + packet.count <= Self.mostOfAll else { return }
        waiting.append(packet)
        waitingBytes += packet.count
        backlog.bytes += packet.count
    }

    /// Gives the kernel a packet, if it takes it. One that it never will counts as taken.
    private func give(_ packet: [UInt8]) -> Bool {
        let count = packet.withUnsafeBytes {
            Glibc.send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        return count >= 0 || errno != EAGAIN && errno != ENOBUFS
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        guard events.isDisjoint(with: [.hungUp, .failed, .peerClosed]) else {
            loop.networks?.linkEnded(self, in: loop)
            return
        }
        while first < waiting.count, give(waiting[first]) {
            let count = waiting[first].count
            waiting[first] = []
            first += 1
            waitingBytes -= count
            backlog.bytes -= count
        }
        guard first == waiting.count || first > 1024 else { return }
        waiting.removeFirst(first)
        first = 0
    }

    /// Ends it; what waits is lost.
    func close(in loop: GatewayLoop) {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(token)
        backlog.bytes -= waitingBytes
        (waiting, first) = ([], 0)
        waitingBytes = 0
    }
}
