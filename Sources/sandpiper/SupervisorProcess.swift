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
                ])
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

/// `POSIX_SPAWN_SETSID` of glibc's spawn.h, which the Swift module does not show.
private let spawnInNewSession: Int16 = 0x80

/// Starts a program in a session of its own, with these descriptors under these numbers and stderr.
private func spawn(_ arguments: [String], _ descriptors: [(Descriptor, Int32)]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Descriptors first go where no target lies, so that none overwrites another that is still to be moved.
    var parked: [Descriptor] = []
    for (descriptor, target) in descriptors {
        let copy = try descriptor.duplicate(atLeast: 64)
        parked.append(copy)
        posix_spawn_file_actions_adddup2(&actions, copy.rawValue, target)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, spawnInNewSession | Int16(POSIX_SPAWN_SETSIGMASK))
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    defer { vector.forEach { free($0) } }
    vector.append(nil)
    var pid = pid_t()
    let result = posix_spawn(&pid, arguments[0], &actions, &attributes, vector, environ)
    guard result == 0 else { throw SystemError("start", arguments[0], number: result) }
    withExtendedLifetime(parked) {}
    return pid
}
