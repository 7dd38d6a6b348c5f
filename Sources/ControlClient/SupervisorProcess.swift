import Control
import Glibc
import InterceptionProtocol
import LinuxSystem
import SandboxState

/// The supervisor of one sandbox, started by this process.
public struct SupervisorProcess: Sendable {
    /// The connected control socket.
    public let connection: ControlConnection
    /// The supervisor: a child of this process, which ``reap()`` waits for.
    public let pid: pid_t

    /// Makes the files of a new sandbox and starts its supervisor.
    /// - Parameter terminal: restored by the supervisor when this process is killed.
    /// - Throws: `StateError`, `SystemError`; nothing is left then.
    public init(
        creating record: SandboxRecord, in home: Home, _ installation: Installation, terminal: Descriptor? = nil
    ) throws {
        // Before anything is made.
        let provision = try Provision(for: record, installation)
        let lock = try SandboxDirectory.create(record, in: home)
        do { try self.init(record.id, lock, provision, home, installation, terminal) } catch {
            if let id = SandboxID(record.id) { SandboxDirectory(id, in: home).remove() }
            throw error
        }
    }

    /// Makes the files of a new sandbox from a snapshot and starts its supervisor.
    /// - Throws: `StateError`, `SystemError`; nothing is left then.
    public init(
        restoring record: SandboxRecord, from snapshot: SnapshotDirectory, _ origin: SnapshotRecord, _ home: Home,
        _ installation: Installation
    ) throws {
        let provision = try Provision(for: record, installation)
        let lock = try SandboxDirectory.create(record, from: snapshot, hasMemory: origin.hasMemory, in: home)
        do { try self.init(record.id, lock, provision, home, installation, nil) } catch {
            if let id = SandboxID(record.id) { SandboxDirectory(id, in: home).remove() }
            throw error
        }
    }

    /// Starts the supervisor of a sandbox at rest.
    /// - Throws: `StateError/isOwned(_:)` when it is running, `SystemError`.
    public init(starting directory: SandboxDirectory, _ installation: Installation) throws {
        let lock = try directory.claim()
        do {
            let record = try RecordFile.read(SandboxRecord.self, from: directory.record)
            let provision = try Provision(for: record, installation)
            try self.init(record.id, lock, provision, directory.home, installation, nil)
        } catch {
            directory.release()
            throw error
        }
    }

    private static let program = "sandpiper-supervisor"

    /// What a sandbox needs of whoever starts it, and no record has.
    private struct Provision {
        var secrets: SecretValues?
        /// Ends after the URL of its proxy.
        var proxy: Descriptor?

        /// Looks for it.
        init(for record: SandboxRecord, _ installation: Installation) throws {
            _ = try installation.executable(SupervisorProcess.program)
            if let reference = record.network.proxy {
                let pipe = try Descriptor.pipe()
                // Less than a pipe takes.
                try pipe.write.write(Array(try reference.url().utf8))
                proxy = pipe.read
            }
            if let interception = record.network.interception {
                _ = try installation.executable("sandpiper-tls")
                secrets = try SecretLookup.values(for: interception.secrets)
            }
        }
    }

    private init(
        _ id: String, _ lock: FileLock, _ provision: Provision, _ home: Home, _ installation: Installation,
        _ terminal: Descriptor?
    ) throws {
        let executable = try installation.executable(Self.program)
        let (ours, theirs) = try Descriptor.socketPair()
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        connection = ControlConnection(ours)
        pid = try spawn(
            [executable, id],
            [
                (null, 0), (null, 1), (theirs, InheritedDescriptor.control),
                (lock.descriptor, InheritedDescriptor.lock), (terminal ?? null, InheritedDescriptor.terminal),
                (provision.secrets?.file ?? null, InheritedDescriptor.secrets),
                (provision.proxy ?? null, InheritedDescriptor.proxy),
            ], inNewSession: true, environment: [Home.variable: home.path], inherits: Self.inherits)
    }

    /// Whether a supervisor has use for a variable. Others may be secrets, and do not belong where a sandbox's processes are.
    private static func inherits(_ variable: String) -> Bool {
        let known = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR"]
        return known.contains(variable) || variable.hasPrefix("LC_") || variable.hasPrefix("SANDPIPER_")
    }

    /// Hangs up, and waits until the supervisor has removed everything and ended. For a sandbox that ends with its client.
    public func end() {
        connection.close()
        reap()
    }

    /// Waits for the end of the supervisor.
    public func reap() {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }
}
