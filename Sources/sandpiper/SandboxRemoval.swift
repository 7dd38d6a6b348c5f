import Control
import ControlClient
import LinuxSystem
import SandboxState

/// Ends and removes sandboxes.
enum SandboxRemoval {
    /// Removes a sandbox and all its files.
    /// - Parameter force: whether a running one is killed first.
    static func remove(_ directory: SandboxDirectory, force: Bool, in home: Home) throws {
        let name = try? RecordFile.read(SandboxRecord.self, from: directory.record).name
        directory.waitForRest()
        if directory.isOwned {
            guard force else {
                throw Failure("sandbox \(name ?? "\(directory.id)") is running; stop it first, or use rm -f")
            }
            try end(directory, .kill)
        }
        let lock: FileLock
        do { lock = try directory.claim() } catch {
            // It was one that removes itself.
            if case .noSuchSandbox = error { return }
            throw error
        }
        directory.remove()
        withExtendedLifetime(lock) {}
        EventLog(home).append(.init(.remove, directory.id, name: name))
    }

    /// Ends a running sandbox, and waits until its supervisor is gone; one that is not running is left alone.
    static func end(_ directory: SandboxDirectory, _ request: ControlRequest) throws {
        directory.waitForRest()
        let watch = SandboxWatch(directory)
        do {
            let connection = try ControlConnection(to: directory)
            _ = try connection.request(request)
            try connection.waitForEnd()
        } catch ControlError.hungUp {
            // It ended by itself meanwhile.
        } catch let error as ControlError {
            guard case .notRunning(_, let life) = error else { throw error }
            if life.status == .paused, !directory.isOwned { return try directory.endPaused() }
            if directory.isOwned { throw Failure("sandbox \(directory.id) is just being started; try again") }
        }
        try watch?.waitForEnd()
    }
}
