import LinuxSystem
import SandboxState

extension Sandbox {
    /// What the network has refused so far, the oldest first; the newest 4 to 8 MiB are kept.
    /// - Throws: ``SandpiperError``.
    public func networkEvents() async throws -> [NetworkEvent] {
        try await blocking { [directory] in NetworkLog(directory).events() }
    }

    /// What the network refuses from now on, as it happens, whether the sandbox runs, stops or is started again.
    ///
    /// ```swift
    /// for try await event in try await sandbox.watchNetworkEvents() where event.action == .deny {
    ///     print(event.name ?? event.address ?? "", event.rule ?? "")
    /// }
    /// ```
    /// - Returns: the events. It ends when the sandbox is removed, or when the task that reads it is cancelled. What is not
    ///   read waits in the sandbox's log, which keeps the newest 4 to 8 MiB.
    /// - Throws: ``SandpiperError``.
    public func watchNetworkEvents() async throws -> AsyncThrowingStream<NetworkEvent, any Error> {
        let watch = try await blocking { [directory] in
            guard FileTree.exists(directory.path) else { throw SandpiperError.sandboxNotFound("\(directory.id)") }
            return try NetworkLogWatch(directory)
        }
        let events = WatchedEvents(watch)
        return AsyncThrowingStream { try await events.next() }
    }
}

/// The events of a network, read when somebody wants the next one.
private actor WatchedEvents {
    private var watch: NetworkLogWatch
    private var read: ArraySlice<NetworkEvent> = []

    init(_ watch: NetworkLogWatch) { self.watch = watch }

    /// The next event; `nil` when there will be none.
    func next() async throws -> NetworkEvent? {
        while read.isEmpty {
            let watcher = try DescriptorWatcher.shared.get()
            let begun = watch
            let (news, after) = try await blocking {
                var watch = begun
                return (try watch.events(), watch)
            }
            watch = after
            guard let news else { return nil }
            read = news[...]
            guard read.isEmpty else { break }
            let changed = watcher.add(watch.changed)
            do { try await changed.value } catch {
                watcher.forget(watch.changed)
                return nil
            }
        }
        return read.popFirst()
    }
}
