import CLinux
import Glibc
import LinuxSystem
import NetworkAddress

/// A socket of the host's that does not block, for TCP, UDP or ICMP echo.
struct InternetSocket {
    private(set) var descriptor: Descriptor?
    /// Its number, for calls; -1 when it is closed.
    var number: Int32 { descriptor?.rawValue ?? -1 }

    /// What kind of socket.
    enum Kind {
        case stream, datagram, echo
    }

    /// Makes a socket for addresses of this version.
    /// - Throws: ``SystemError``.
    init(_ kind: Kind, isV4: Bool) throws(SystemError) {
        let type = kind == .stream ? SOCK_STREAM : SOCK_DGRAM
        let echo = isV4 ? Int32(IPPROTO_ICMP) : Int32(IPPROTO_ICMPV6)
        let number = linux_internet_socket(!isV4, Int32(type.rawValue), kind == .echo ? echo : 0)
        guard number >= 0 else { throw SystemError("make a socket") }
        descriptor = Descriptor(owning: number)
    }

    /// Takes over a connected socket that does not block.
    init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// Closes it.
    mutating func close() { descriptor = nil }

    /// Listens for connections.
    /// - Throws: ``SystemError``.
    func listen() throws(SystemError) {
        guard Glibc.listen(number, 1024) == 0 else { throw SystemError("listen") }
    }

    /// Begins to connect.
    /// - Returns: whether it is connected at once.
    /// - Throws: ``SystemError``.
    func connect(to endpoint: Endpoint) throws(SystemError) -> Bool {
        var address = linux_endpoint(endpoint)
        if linux_internet_connect(number, &address) == 0 { return true }
        guard errno == EINPROGRESS else { throw SystemError("connect to", "\(endpoint)") }
        return false
    }

    /// Takes a local address; port 0 lets the kernel choose one.
    /// - Throws: ``SystemError``.
    func bind(to endpoint: Endpoint) throws(SystemError) {
        var address = linux_endpoint(endpoint)
        guard linux_internet_bind(number, &address) == 0 else { throw SystemError("listen on", "\(endpoint)") }
    }

    /// Its local address.
    /// - Throws: ``SystemError``.
    func localEndpoint() throws(SystemError) -> Endpoint {
        var address = linux_endpoint()
        guard linux_internet_name(number, &address) == 0, let endpoint = Endpoint(address) else {
            throw SystemError("find a socket's address")
        }
        return endpoint
    }

    /// Takes the next connection that waits at a listening socket, and who made it; `nil` when there is none.
    /// - Throws: ``SystemError``.
    func accept() throws(SystemError) -> (InternetSocket, Endpoint)? {
        while true {
            var address = linux_endpoint()
            let number = linux_internet_accept(self.number, &address)
            if number >= 0 {
                let socket = InternetSocket(Descriptor(owning: number))
                guard let endpoint = Endpoint(address) else { continue }
                return (socket, endpoint)
            }
            switch errno {
            case EAGAIN: return nil
            // It was reset before it was taken.
            case EINTR, ECONNABORTED: continue
            default: throw SystemError("accept a connection")
            }
        }
    }

    /// What became of connecting: 0, or an errno.
    var error: Int32 { linux_socket_error(number) }

    /// Sends small pieces at once: whoever speaks decides what belongs together.
    func setNoDelay() { _ = linux_no_delay(number) }

    /// Lets the other side know by a reset when this is closed.
    func setResetOnClose() { _ = linux_reset_on_close(number) }

    /// Sends a datagram, to the connected address or another; how many bytes went, or -1 with errno.
    func send(_ bytes: UnsafeRawBufferPointer, to endpoint: Endpoint? = nil) -> Int {
        if let endpoint {
            var address = linux_endpoint(endpoint)
            return linux_internet_send(number, bytes.baseAddress, bytes.count, &address)
        }
        return Glibc.send(
            number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
    }

    /// Reads from a stream, or the next datagram: how many bytes, 0 at the end, or -1 with errno.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = recv(number, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count >= 0 || errno != EINTR { return count }
        }
    }

    /// What has come over a stream, up to so many bytes, which stays to be read; empty for nothing yet, `nil` at the end.
    func peek(_ most: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: most)
        let count = recv(number, &bytes, most, Int32(MSG_DONTWAIT) | Int32(MSG_PEEK))
        if count > 0 { return Array(bytes.prefix(count)) }
        return count < 0 && errno == EAGAIN ? [] : nil
    }

    /// Reads so many bytes that have come over a stream, for nobody.
    func drop(_ count: Int) {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = recv(number, &bytes, count, Int32(MSG_DONTWAIT))
    }

    /// Receives into `buffer`; how many bytes came and from where, or -1 with errno.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> (count: Int, from: Endpoint?) {
        var address = linux_endpoint()
        let count = linux_internet_receive(number, buffer.baseAddress, buffer.count, &address)
        return (count, Endpoint(address))
    }
}

extension linux_endpoint {
    /// As the system's calls have it.
    init(_ endpoint: Endpoint) {
        self.init()
        let bytes = endpoint.address.bytes
        length = UInt8(bytes.count)
        port = endpoint.port
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: bytes) }
    }
}

extension Endpoint {
    /// From what the system's calls tell; `nil` when that is of another family.
    init?(_ endpoint: linux_endpoint) {
        let address = withUnsafeBytes(of: endpoint.address) { IPAddress(bytes: $0.prefix(Int(endpoint.length))) }
        guard let address else { return nil }
        self.init(address, endpoint.port)
    }
}
