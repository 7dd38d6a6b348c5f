import Control
import ControlClient
import LinuxSystem
import SandboxState

extension Sandbox {
    /// Makes a sandbox and starts it. When this returns, processes can be started.
    /// - Parameters:
    ///   - image: a reference, as `docker run` takes it, or the beginning of a digest.
    ///   - options: what it is to be.
    ///   - host: where it is to live.
    /// - Throws: ``SandpiperError``, `CancellationError`; then there is no sandbox.
    public static func create(
        image: String, options: Options = Options(), on host: SandboxHost = SandboxHost()
    ) async throws -> Sandbox {
        try await create(image, options, endsWithClient: false, host)
    }

    static func create(
        _ image: String, _ options: Options, endsWithClient: Bool, _ host: SandboxHost
    ) async throws -> Sandbox {
        let host = try await blocking { try host.resolved() }
        let stored = try await Image.stored(image, options.pull, on: host)
        let (sandbox, process) = try await blocking {
            var record = try options.record(image, stored, host)
            record.endsWithClient = endsWithClient
            record.removesItself = record.removesItself || endsWithClient
            SandboxDirectory.sweep(host.home)
            let process = try SupervisorProcess(creating: record, in: host.home, host.installation)
            guard let id = SandboxID(record.id) else { throw SandpiperError.sandboxNotFound(record.id) }
            let sandbox = Sandbox(record, SandboxDirectory(id, in: host.home), host)
            EventLog(host.home).append(.init(.create, id, name: record.name))
            return (sandbox, process)
        }
        try await sandbox.become(process)
        return sandbox
    }

    /// Starts the sandbox when it is at rest: its files are as they were, processes are gone.
    /// - Throws: ``SandpiperError/busy(sandbox:)`` when it is running, `CancellationError`.
    public func start() async throws {
        let process = try await blocking { [self] in try SupervisorProcess(starting: directory, host.installation) }
        try await become(process)
    }

    /// Waits until the sandbox of a supervisor that was just started is ready; on failure waits until all is put away.
    func become(_ process: SupervisorProcess) async throws {
        let watch = try ProcessWatch(of: process)
        supervisor = watch
        let connection = try await Connection.open(process.connection.socket, to: directory)
        do { try await connection.waitUntilReady() } catch {
            // Unstructured: it goes to its end although this task may be cancelled.
            await Task {
                _ = try? await connection.request(.kill)
                try? await watch.wait()
            }.value
            throw error
        }
        keep(connection)
    }

    /// Ends all processes, writes the disk and turns the machine off. Nothing happens when the sandbox is at rest.
    /// - Parameter grace: how long processes get to end after SIGTERM before they are killed.
    /// - Throws: ``SandpiperError``.
    public func stop(grace: Duration = .seconds(10)) async throws {
        let time = grace <= .zero ? 0 : UInt32(clamping: try milliseconds(grace))
        try await end(.stop(graceMilliseconds: time), "it was told to stop")
    }

    /// Turns the machine off as if its power had failed. Nothing happens when the sandbox is at rest.
    /// - Throws: ``SandpiperError``.
    public func kill() async throws { try await end(.kill, "it was killed") }

    /// Removes the sandbox and all its files; kills it first when it runs.
    /// - Throws: ``SandpiperError``. A sandbox that is gone already is no error.
    public func remove() async throws {
        try await kill()
        try await blocking { [self] in
            let name = try? RecordFile.read(SandboxRecord.self, from: directory.record).name
            let lock: FileLock
            do throws(StateError) { lock = try directory.claim() } catch {
                guard case .noSuchSandbox = error else { throw error }
                return
            }
            directory.remove()
            withExtendedLifetime(lock) {}
            EventLog(host.home).append(.init(.remove, directory.id, name: name))
        }
    }

    /// Waits until the sandbox is at rest, and returns its state then.
    /// - Throws: ``SandpiperError/sandboxNotFound(_:)`` when it is removed, `CancellationError`.
    public func wait() async throws -> State {
        try await watch()?.wait()
        return try await state
    }

    /// What tells of the end of the supervisor, if there is one.
    func watch() async throws -> ProcessWatch? {
        if let supervisor, !supervisor.hasEnded { return supervisor }
        return try await blocking { [directory] in try ProcessWatch(of: directory) }
    }

    private func end(_ request: ControlRequest, _ reason: String) async throws {
        let wasPaused = try await blocking { [directory] in
            guard directory.currentLife().status == .paused, !directory.isOwned else { return false }
            try directory.endPaused()
            return true
        }
        if wasPaused { return dropConnection() }
        let watch = try await watch()
        do {
            let connection = try await connection()
            connection.expectEnd(reason)
            _ = try await connection.request(request)
        } catch SandpiperError.ended {
            // It ended by itself meanwhile.
        } catch SandpiperError.sandboxNotFound {
            // So did this one, and it went then.
        } catch SandpiperError.notRunning {
            if try await blocking({ [directory] in directory.isOwned }) { throw SandpiperError.busy(sandbox: id) }
        }
        dropConnection()
        try await watch?.wait()
    }
}

/// Makes a sandbox that lives as long as `body`, and is gone with all its files when this returns or throws. It also goes
/// when the task is cancelled, and when this program ends for any reason.
///
/// ```swift
/// let answer = try await withSandbox(image: "python") { sandbox in
///     try await sandbox.exec(["python3", "-c", "print(6 * 7)"]).standardOutput.text
/// }
/// ```
/// - Parameters:
///   - image: a reference, as `docker run` takes it, or the beginning of a digest.
///   - options: what the sandbox is to be.
///   - host: where it is to live.
///   - isolation: where `body` runs.
///   - body: what is done with the sandbox.
/// - Returns: what `body` returns.
/// - Throws: ``SandpiperError`` when there can be no sandbox, and what `body` throws.
public func withSandbox<Result>(
    image: String, options: Sandbox.Options = Sandbox.Options(), on host: SandboxHost = SandboxHost(),
    isolation: isolated (any Actor)? = #isolation, _ body: (Sandbox) async throws -> Result
) async throws -> Result {
    let sandbox = try await Sandbox.create(image, options, endsWithClient: true, host)
    do {
        let result = try await body(sandbox)
        await sandbox.endWithClient()
        return result
    } catch {
        await sandbox.endWithClient()
        throw error
    }
}

extension Sandbox {
    /// Ends a sandbox that ends with its client, and waits until it is gone, cancelled or not.
    fileprivate func endWithClient() async {
        dropConnection()
        guard let supervisor else { return }
        await Task { try? await supervisor.wait() }.value
    }
}
