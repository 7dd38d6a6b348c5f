import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Sandboxes that outlive the command that made them, as a test looks at them from the host.
extension TestHome {
    /// Makes a sandbox called `name` and returns its files.
    func create(_ name: String, _ options: [String] = [], command: [String] = []) async throws -> SandboxDirectory {
        let made = try await sandpiper(["create", "--name", name] + options + ["busybox"] + command)
        try #require(made.status == 0, "\(made.error)")
        return try directory(name)
    }

    /// The files of a sandbox.
    func directory(_ name: String) throws -> SandboxDirectory { try SandboxDirectory.find(name, in: Home(path: path)) }

    /// What a script prints in a running sandbox.
    func exec(_ name: String, _ script: String) async throws -> Outcome {
        try await sandpiper("exec", name, "--", "sh", "-c", script)
    }

    /// The process that supervises a sandbox.
    func supervisor(_ name: String) throws -> HostProcess {
        HostProcess(pid: try #require(try directory(name).currentLife().supervisor))
    }

    /// The engine under a sandbox.
    func engine(_ name: String) throws -> HostProcess {
        HostProcess(pid: try RecordFile.read(EngineRecord.self, from: directory(name).engine).pid)
    }
}

extension SandboxDirectory {
    /// Waits until the sandbox's life has come to a station, at most two minutes.
    func wait(for status: SandboxLife.Status) async throws { try await wait { $0.status == status } }

    /// Waits until something is true of the sandbox's life, at most two minutes.
    func wait(until isTrue: @escaping @Sendable (SandboxLife) -> Bool) async throws {
        let found = try await withCheckedThrowingContinuation { continuation in
            do {
                try DedicatedThread.start { continuation.resume(with: Result { try waitBlocking(isTrue) }) }
            } catch { continuation.resume(throwing: error) }
        }
        #expect(found, "the sandbox is \(currentLife())")
    }

    private func waitBlocking(_ isTrue: (SandboxLife) -> Bool) throws -> Bool {
        let deadline = HostClock.monotonic + 120_000_000_000
        let changes = try InotifyDescriptor()
        let folder = record.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        try? changes.watch(folder, [.names, .removal])
        try? changes.watch(socketDirectory, [.names, .removal])
        while true {
            changes.clear()
            if isTrue(currentLife()) { return true }
            let now = HostClock.monotonic
            guard now < deadline else { return false }
            var events = pollfd(fd: changes.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
            // The lock of a process that dies tells nobody that it is free.
            poll(&events, 1, 200)
        }
    }
}
