import Glibc
import InterceptionProtocol
import LinuxSystem
import SandboxState

/// `sandpiper-tls`, which opens the sandbox's TLS connections: a child of the supervisor, for as long as that lives. It gets
/// the values of secrets, which the supervisor never reads.
final class InterceptorProcess: Sendable {
    /// Where connections are handed to it.
    let socket: InterceptionSocket
    /// The certificate (PEM) that the guest is to trust.
    let authority: String
    private let pid: pid_t
    private let pidfd: Descriptor

    /// How long it may take to get ready, and to end, in milliseconds.
    private static let (readyLimit, endLimit): (Int32, Int32) = (20_000, 2_000)

    /// Starts it and waits until it is ready. Blocks.
    /// - Parameter values: of the secrets; the caller lets go of them.
    /// - Throws: `StateError`, `SystemError`, ``SupervisorError/interceptor(_:)``; nothing is left then.
    init(_ settings: InterceptionSettings, values: Descriptor?, _ home: Home) throws {
        let executable = try Installation().executable("sandpiper-tls")
        let (socket, theirs) = try InterceptionSocket.pair()
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        let pid = try spawn(
            [executable], [(null, 0), (null, 1), (theirs, InterceptionSocket.inheritedNumber)], inNewSession: true)
        do {
            pidfd = try Descriptor.process(pid)
            let configuration = InterceptionConfiguration(
                authorityDirectory: home.authority, upstreamAuthorityFiles: settings.authorities,
                unverifiedHosts: settings.unverifiedHosts, bypassedHosts: settings.bypassedHosts,
                secrets: settings.secrets.map(\.description))
            try socket.configure(configuration, values: configuration.secrets.isEmpty ? nil : values)
            authority = try Self.standing(socket).authority
        } catch {
            kill(pid, SIGKILL)
            Self.wait(for: pid)
            throw error
        }
        self.socket = socket
        self.pid = pid
    }

    private static func standing(_ socket: InterceptionSocket) throws -> InterceptionEvent.Standing {
        var event = pollfd(fd: socket.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        var count: Int32
        repeat { count = poll(&event, 1, readyLimit) } while count < 0 && errno == EINTR
        guard count > 0 else { throw SupervisorError.interceptor("it does not get ready") }
        switch try socket.nextEvent() {
        case .ready(let standing): return standing
        case .failed(let reason): throw SupervisorError.interceptor(reason)
        default: throw SupervisorError.interceptor("it has ended")
        }
    }

    private static func wait(for pid: pid_t) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }

    /// Returns when it has ended, asked to or not.
    func waitForEnd() async {
        let pidfd = pidfd
        try? await DedicatedThread.value {
            var event = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
            while poll(&event, 1, -1) < 0 && errno == EINTR {}
        }
    }

    /// Hangs up, and returns when it has ended.
    func end() async {
        shutdown(socket.descriptor.rawValue, Int32(SHUT_RDWR))
        let (pid, pidfd) = (pid, pidfd)
        try? await DedicatedThread.value {
            var event = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
            if poll(&event, 1, Self.endLimit) <= 0 { kill(pid, SIGKILL) }
            Self.wait(for: pid)
        }
    }
}
