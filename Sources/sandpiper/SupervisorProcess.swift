import Control
import Glibc
import LinuxSystem
import SandboxState

/// The supervisor of one sandbox, started and talked to by this command.
struct SupervisorProcess {
    /// The connected control socket.
    let control: Descriptor
    private let pid: pid_t

    /// Makes the sandbox's files and starts its supervisor.
    init(
        _ record: SandboxRecord, in home: Home, _ installation: Installation, terminal: Descriptor?
    ) throws {
        let executable = try installation.executable("sandpiper-supervisor")
        let (ours, theirs) = try Descriptor.socketPair()
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        let lock = try SandboxDirectory.create(record, in: home)
        control = ours
        do {
            pid = try spawn(
                [executable, record.id],
                [
                    (null, 0), (null, 1), (theirs, InheritedDescriptor.control),
                    (lock.descriptor, InheritedDescriptor.lock), (terminal ?? null, InheritedDescriptor.terminal),
                ], inNewSession: true)
        } catch {
            SandboxID(record.id).map { SandboxDirectory($0, in: home).remove() }
            throw error
        }
    }

    /// Hangs up, and waits until the supervisor has removed everything and ended.
    func end() {
        shutdown(control.rawValue, Int32(SHUT_RDWR))
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }
}
