import Glibc
import LinuxSystem
import Testing

/// `load` and `pull` that are killed, or that the disk has no room for: the store is whole, and the same command works.
@Suite(.needsMachines) struct KilledImportTests {
    @Test("a load killed at 20 moments, by how much of the archive it has read")
    func killedByBytes() async throws {
        try await TestHome.with([]) { home in
            let archive = Built.image("layers.tar")
            let length = Int(try Descriptor(opening: archive).status().st_size)
            for moment in 0..<20 {
                // What the pipe still holds when the writer is done, the load may or may not have read.
                let outcome = try await home.host(
                    """
                    mkfifo pipe; sandpiper load - <pipe & exec 3>pipe; rm pipe
                    head -c \(length * moment / 20) '\(archive)' >&3; kill -KILL $!; wait $!
                    """)
                #expect(outcome.status == 128 + SIGKILL, "\(outcome.error)")
                try await home.expectWholeStore(images: [[]])
            }
            let again = try await home.sandpiper("load", archive)
            #expect(again.output == "localhost/layers:latest\n", "\(again.error)")
            let run = try await home.sandpiper("run", "localhost/layers", "echo whole")
            #expect(run.output == "whole\n", "\(run.error)")
        }
    }

    @Test("a load killed at 20 moments of its duration")
    func killedByTime() async throws {
        try await TestHome.with([]) { home in
            let arguments = ["load", Built.image("layers.tar")]
            let start = ContinuousClock.now
            #expect(try await home.sandpiper(arguments).status == 0)
            let duration = ContinuousClock.now - start
            try await home.killing(arguments, over: duration, reference: "localhost/layers:latest")
        }
    }

    @Test("a pull killed at 20 moments of its duration")
    func killedPull() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(image: "layers.oci.tar") { registry in
                let reference = "\(registry.address)/layers:1"
                let arguments = ["pull", reference]
                let start = ContinuousClock.now
                let pull = try await home.sandpiper(arguments)
                try #require(pull.status == 0, "\(pull.error)")
                let duration = ContinuousClock.now - start
                try await home.killing(arguments, over: duration, reference: reference)
            }
        }
    }

    @Test("a pull killed while the registry says nothing more", arguments: [0, 1, 1000, 100_000, 1_000_000])
    func killedStalledPull(bytes: Int) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(fault: "stall", ["--bytes", "\(bytes)", "--times", "1"]) { registry in
                let arguments = ["pull", "\(registry.address)/busybox:1"]
                let killed = try await home.command(arguments).run { command in
                    try await registry.waitForEvent()
                    command.signal(SIGKILL)
                }
                #expect(killed.status == 128 + SIGKILL)
                try await home.expectWholeStore(images: [[]])
                let again = try await home.sandpiper(arguments)
                #expect(again.status == 0, "\(again.error)")
            }
        }
    }

    @Test(
        "a signal ends a pull at once, and it leaves nothing", arguments: [SIGINT, SIGTERM, SIGHUP],
        ["manifest", "blob"])
    func endedBySignal(signal: Int32, part: String) async throws {
        try await TestHome.with([]) { home in
            let options = ["--bytes", "100", "--location", part]
            try await TestServer.misbehaving(fault: "stall", options) { registry in
                let ended = try await home.command(["pull", "\(registry.address)/busybox:1"]).run { command in
                    try await registry.waitForEvent()
                    command.signal(signal)
                }
                #expect(ended.status == 128 + signal)
                #expect(try FileTree.names(in: "\(home.path)/store/tmp") == [])
                #expect(try await home.listing() == [])
            }
        }
    }

    // MARK: Full disks

    /// How images come in; `$1` is the archive in Docker's form, `$2` a reference.
    static let commands = [
        "sandpiper load \"$1\"", "sandpiper load <\"$1\"", "cat \"$1\" | sandpiper load -", "sandpiper pull -q \"$2\"",
    ]

    @Test(
        "without room on the disk the error says so, nothing is left, and with room the same command works",
        .needsRoot("a small file system is mounted"), arguments: commands)
    func fullDisk(command: String) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(image: "layers.oci.tar") { registry in
                // Room for nothing, for a part of the archive, of the layers, of the disk; at last for all.
                let script = """
                    set -- '\(Built.image("layers.tar"))' '\(registry.address)/layers:1'
                    mount -t tmpfs -o size=64k tmpfs "$SANDPIPER_HOME" || exit 99
                    for size in 64 128 512 1024 2048 3072 4096 6144 8192; do
                      mount -o remount,size=${size}k "$SANDPIPER_HOME"
                      if \(command) >out 2>err; then echo done; break; fi
                      echo "$size: $(wc -l <err) $(grep -c 'No space left on device' err)" \
                        "$(find "$SANDPIPER_HOME/store" -type f -size +0 ! -name lock | wc -l) $(sandpiper images -q | wc -l)"
                    done
                    mount -o remount,size=512m "$SANDPIPER_HOME"; \(command) && sandpiper images -q | wc -l
                    """
                try FileTree.writeAtomically(Array(script.utf8), to: "\(home.scratch)/script")
                let outcome = try await home.host("unshare --mount bash script")
                var lines = outcome.lines
                if lines.contains("done") { lines.removeAll { $0 == "done" } }
                #expect(lines.count >= 5, "\(outcome.output)\(outcome.error)")
                for line in lines.dropLast(2) {
                    #expect(line.hasSuffix(": 1 1 0 0"), "size in KiB, lines of error, …: \(line)")
                }
                #expect(lines.last == "1", "\(outcome.output)\(outcome.error)")
            }
        }
    }
}

extension TestHome {
    /// Expects that the next command of any kind finds a whole store, and leaves nothing half-made.
    /// - Parameter images: the references that may be there, each way.
    fileprivate func expectWholeStore(images: [[String]], _ location: SourceLocation = #_sourceLocation) async throws {
        let listed = try await host("sandpiper images --format json | jq -r '.[].references[]'")
        #expect(listed.error == "", sourceLocation: location)
        #expect(images.contains(listed.lines), "\(listed.lines)", sourceLocation: location)
        #expect(try FileTree.names(in: "\(path)/store/tmp") == [], sourceLocation: location)
        if listed.lines.isEmpty {
            let left = try await host("find '\(path)/store' -type f -size +0 ! -name lock")
            #expect(left.output == "", sourceLocation: location)
        }
    }

    /// Kills a command that brings `reference` in at 20 moments spread over `duration`; then it works, and what came in
    /// runs. How many moments lie before the command's end depends on the host; those of the tests by bytes all do.
    fileprivate func killing(_ arguments: [String], over duration: Duration, reference: String) async throws {
        for moment in 0..<20 {
            _ = try await sandpiper("rmi", reference)
            _ = try await command(arguments).run { command in
                try await Task.sleep(for: duration * moment / 20)
                command.signal(SIGKILL)
            }
            // Either it had not come to its end, or all of it is there.
            try await expectWholeStore(images: [[], [reference]])
            if moment % 5 == 4 {
                let again = try await sandpiper(arguments)
                #expect(again.status == 0, "\(again.error)")
                try await expectWholeStore(images: [[reference]])
            }
        }
        let run = try await sandpiper("run", reference, "echo whole")
        #expect(run.output == "whole\n", "\(run.error)")
    }
}
