import AgentProtocol
import Engine
import ForeignText
import SandboxState

/// Why a sandbox did not come to be, or ended before it was told to.
public enum SupervisorError: Error, CustomStringConvertible {
    case notReady(seconds: Int, console: String)
    case refused(String)
    case agentProtocol(ProtocolError, console: String)
    case agentGone(console: String)
    case machineEnded(MachineExit, console: String)
    /// The guest cannot be frozen.
    case notSilent(String)
    /// A frozen machine does not go on here.
    case cannotGoOn(String)
    case mount(SandboxMount, reason: String)
    /// `sandpiper-tls` does not serve.
    case interceptor(String)

    /// One or two lines for a person.
    public var description: String {
        switch self {
        case .notReady(let seconds, let console):
            "the machine was not ready within \(seconds) s; is the host overloaded?\(Self.last(console))"
        case .refused(let reason): "the guest could not be configured: \(reason)"
        case .notSilent(let reason): "the sandbox cannot be frozen: \(reason); it goes on"
        case .cannotGoOn(let reason): "the sandbox cannot be resumed here: \(reason)"
        case .agentProtocol(let error, let console):
            "the guest's agent broke the protocol (\(error)); the sandbox was ended\(Self.last(console))"
        case .agentGone(let console): "the guest's agent closed its channel; the sandbox was ended\(Self.last(console))"
        case .interceptor(let reason): "TLS cannot be intercepted: \(reason)"
        case .mount(let mount, let reason):
            "cannot mount \(mount.source ?? "memory") at \(mount.target): \(reason.excerpt(500))"
        case .machineEnded(let exit, let console):
            if let panic = Self.panic(console) {
                "the machine ended: the guest's kernel panicked: \(panic)"
            } else {
                "the machine ended: \(Self.how(exit))\(Self.last(console))"
            }
        }
    }

    private static func how(_ exit: MachineExit) -> String {
        switch exit.cause {
        case .guestShutdown: "the guest turned itself off"
        case .guestPanic: "the guest's kernel panicked"
        case .stopped: "it was told to stop"
        case .signal(let number): "its engine was killed by signal \(number)"
        case .failure(let code): "its engine failed with status \(code): \(exit.lastMessages)"
        }
    }

    /// Why the guest's kernel panicked, as far as its console tells: the machine has no device that could.
    private static func panic(_ console: String) -> Substring? {
        let mark = "Kernel panic - not syncing: "
        let line = console.split(separator: "\n").last { $0.contains(mark) }
        return line?.firstRange(of: mark).flatMap { line?[$0.upperBound...].prefix(200) }
    }

    private static func last(_ console: String) -> String {
        guard let line = console.split(separator: "\n").last else { return "" }
        return "\nlast line on its console: \(line.prefix(200))"
    }
}
