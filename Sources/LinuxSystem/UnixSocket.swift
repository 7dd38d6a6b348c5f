import CLinux
import Glibc

/// Unix sockets with a name in an open directory, however long that directory's path is: a socket's own path is limited
/// to 107 bytes.
public enum UnixSocket {
    /// Listens under a name that is free, or was that of a socket nobody listens on any more.
    /// - Parameter keepsMessages: whether each write is one message that a read gets whole, instead of a stream of bytes.
    /// - Returns: the listening socket. Only the user's own processes can reach it.
    public static func listen(
        _ name: String, in directory: Descriptor, keepsMessages: Bool = false
    ) throws(SystemError) -> Descriptor {
        let socket = try make(keepsMessages)
        var (address, length) = try address(name, in: directory)
        unlinkat(directory.rawValue, name, 0)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket.rawValue, $0, length) }
        }
        guard result == 0, fchmodat(directory.rawValue, name, 0o600, 0) == 0, Glibc.listen(socket.rawValue, 128) == 0
        else { throw SystemError("listen on", name) }
        return socket
    }

    /// Connects to the socket with this name.
    /// - Parameters:
    ///   - keepsMessages: as the socket was made that listens.
    ///   - waits: whether to wait when many want to connect, now and later when messages are sent or received.
    /// - Throws: ``SystemError``: `ENOENT` or `ECONNREFUSED` when nobody listens, `EAGAIN` when it would have to wait.
    public static func connect(
        _ name: String, in directory: Descriptor, keepsMessages: Bool = false, waits: Bool = true
    ) throws(SystemError) -> Descriptor {
        let socket = try make(keepsMessages)
        if !waits { try socket.setNonblocking(true) }
        var (address, length) = try address(name, in: directory)
        while true {
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket.rawValue, $0, length) }
            }
            if result == 0 { return socket }
            guard errno == EINTR else { throw SystemError("connect to", name) }
        }
    }

    /// Takes a connection of a listening socket.
    /// - Returns: a socket that does not wait; `nil` when none is there.
    public static func accept(_ listener: Descriptor) -> Descriptor? {
        let number = linux_unix_accept(listener.rawValue)
        return number < 0 ? nil : Descriptor(owning: number)
    }

    /// Whether the other end of a connection was made by a process of this user, or of root.
    public static func isOfThisUser(_ connection: Descriptor) -> Bool {
        var user = uid_t.max
        return linux_peer_user(connection.rawValue, &user) == 0 && (user == geteuid() || user == 0)
    }

    private static func make(_ keepsMessages: Bool) throws(SystemError) -> Descriptor {
        let type = keepsMessages ? SOCK_SEQPACKET : SOCK_STREAM
        let number = socket(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError("make a socket") }
        return Descriptor(owning: number)
    }

    private static func address(
        _ name: String, in directory: Descriptor
    ) throws(SystemError) -> (sockaddr_un, socklen_t) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/proc/self/fd/\(directory.rawValue)/\(name)".utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError("name a socket", name, number: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        return (address, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
}

extension Descriptor {
    /// Sends one message on a socket that keeps their bounds, and with it a descriptor of the receiver's own for `file`.
    /// Does not wait.
    public func send(_ message: [UInt8], passing file: Descriptor) throws(SystemError) {
        let count = message.withUnsafeBytes { linux_send(rawValue, $0.baseAddress, $0.count, file.rawValue) }
        guard count == message.count else { throw SystemError("send a message with a descriptor") }
    }
}
