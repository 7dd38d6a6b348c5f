import Glibc
import LinuxSystem
import Synchronization
import Testing

/// Homes with images loaded and one sandbox run, by their images: copying one costs less than making it.
actor PreparedHomes {
    static let shared = PreparedHomes()

    private static let busybox = ["busybox.tar"]

    private var homes: [[String]: Task<String, any Error>] = [:]

    /// The path of a home that holds `images`, the names of archives. It is not to be changed.
    func path(_ images: [String]) async throws -> String {
        if let home = homes[images] { return try await home.value }
        let making = Task {
            let home = try TestHome(name: "prepared")
            removedAtExit.withLock { $0.append(home) }
            try FileTree.makeDirectory(home.path)
            for image in images {
                let loaded = try await home.sandpiper("load", Built.image(image))
                try #require(loaded.status == 0, "\(loaded.error)")
            }
            // The engine found, its notice told, the disk that most tests use formatted.
            if images == Self.busybox {
                // A template that is copied is another file and would be made anew: all homes share those of this one.
                try FileTree.makeDirectory(home.scratch + "/templates")
                #expect(symlink(home.scratch + "/templates", home.path + "/templates") == 0)
                let run = try await home.sandpiper("run", "busybox", "true")
                try #require(run.status == 0, "\(run.error)")
            } else if !images.isEmpty {
                let warm = try await path(Self.busybox)
                let copied = try await home.host("cp -a '\(warm)/cache' '\(warm)/templates' '\(home.path)/'")
                try #require(copied.status == 0)
            }
            return home.path
        }
        homes[images] = making
        return try await making.value
    }
}

/// What the process removes at its end.
private let removedAtExit: Mutex<[TestHome]> = {
    atexit { removedAtExit.withLock { homes in homes.forEach { $0.remove() } } }
    return Mutex([])
}()

/// Lets a few tasks at a time do something.
actor Slots {
    /// As many homes as may run machines at a time.
    static let machines = Slots(2)
    /// As many homes as may be in use at a time without a machine.
    static let others = Slots(4)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    /// Runs `body` when a slot is free.
    nonisolated func use(_ body: () async throws -> Void) async throws {
        await take()
        do { try await body() } catch {
            await giveBack()
            throw error
        }
        await giveBack()
    }

    private func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
