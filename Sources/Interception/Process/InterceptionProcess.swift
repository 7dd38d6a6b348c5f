import ForeignText
import Glibc
import InterceptionProtocol
import LinuxSystem
import NIOPosix

/// The process that intercepts the connections of one sandbox, from its start to its end.
public enum InterceptionProcess {
    /// Serves on the inherited socket until the gateway is gone.
    /// - Returns: the process's exit code.
    public static func run() -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let socket = InterceptionSocket(Descriptor(owning: InterceptionSocket.inheritedNumber))
        do {
            try InterceptionWall.hide()
            try FreedMemory.overwriteFromStart()
            try serve(socket)
            return 0
        } catch {
            try? socket.say(.failed("\(error)".excerpt(2000)), waits: true)
            return 1
        }
    }

    /// Makes sure that an installation has its authority.
    /// - Returns: the path of its certificate.
    public static func makeAuthority(_ directory: String) throws -> String {
        _ = try CertificateAuthority.open(directory)
        return "\(directory)/ca.pem"
    }

    private static func serve(_ socket: InterceptionSocket) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: InterceptionMessage.longestOrder, alignment: 16)
        defer { buffer.deallocate() }
        guard let interceptor = try interceptor(socket, buffer) else { return }
        while let (order, sockets) = try socket.nextOrder(using: buffer) {
            guard case .connection(let order) = order, sockets.count == 2 else {
                throw InterceptionError.unreadable("order for a connection")
            }
            interceptor.accept(order, guest: sockets[0], server: sockets[1])
        }
    }

    /// Waits for the configuration, and lets go of the file with the values of secrets, which nobody needs any more.
    private static func interceptor(
        _ socket: InterceptionSocket, _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> Interceptor? {
        guard let (order, passed) = try socket.nextOrder(using: buffer) else { return nil }
        return try configure(socket, order, values: passed.first)
    }

    private static func configure(
        _ socket: InterceptionSocket, _ order: InterceptionOrder, values: Descriptor?
    ) throws -> Interceptor {
        guard case .configure(let configuration) = order else {
            throw InterceptionError.unreadable("order that configures")
        }
        // First, so that nothing that follows has the values in reach.
        let secrets = try SecretStore(configuration.secrets, values: values)
        let authority = try CertificateAuthority.open(configuration.authorityDirectory)
        let upstream = try UpstreamContexts(extraFiles: configuration.upstreamAuthorityFiles)
        let missing = try InterceptionWall.raise()
        let interceptor = Interceptor(
            configuration, secrets: secrets, upstream: upstream, guests: try GuestContexts(authority),
            events: try EventSender(socket), loop: MultiThreadedEventLoopGroup(numberOfThreads: 1).next())
        interceptor.events.say(.ready(.init(authority: authority.pem, missingWalls: missing)))
        return interceptor
    }
}
