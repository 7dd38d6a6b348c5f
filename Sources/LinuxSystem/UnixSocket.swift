import CLinux
import Glibc

/// Unix sockets with a name in an open directory, however long that directory's path is: a socket's own path is limited
/// to 107 bytes.
public enum UnixSocket {
    /// Listens under a name that is free, or was that of a socket nobody listens on any more.
    /// - Returns: the listening socket. Only the user's own processes can reach it.
    public static func listen(_ name: String, in directory: Descriptor) throws(SystemError) -> Descriptor {
        let socket = try make()
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
    /// - Throws: ``SystemError``: `ENOENT` or `ECONNREFUSED` when nobody listens.
    public static func connect(_ name: String, in directory: Descriptor) throws(SystemError) -> Descriptor {
        let socket = try make()
        var (address, length) = try address(name, in: directory)
        while true {
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket.rawValue, $0, length) }
            }
            if result == 0 { return socket }
            guard errno == EINTR else { throw SystemError("connect to", name) }
        }
    }

    private static func make() throws(SystemError) -> Descriptor {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
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
