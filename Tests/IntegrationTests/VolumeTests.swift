import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Volumes: made, shared, limited and removed.
@Suite(.needsMachines) struct VolumeTests {
    @Test("a volume keeps its files from one sandbox to the next, and is listed, inspected and removed")
    func life() async throws {
        try await TestHome.with { home in
            #expect(
                try await home.sandpiper("volume", "create", "kept", "--size", "64m", "--label", "of=test").lines == [
                    "kept"
                ])
            #expect(try await home.sandpiper("volume", "create", "kept").error.contains("already"))
            #expect(try await home.busybox("echo first >/v/file; ls -ld /v", options: ["-v", "kept:/v"]).status == 0)
            #expect(
                try await home.busybox("cat /v/file; stat -c '%u %a' /v", options: ["-v", "kept:/v"]).lines == [
                    "first", "0 755",
                ])
            // One that is missing is made, as with Docker.
            #expect(try await home.busybox("echo x >/v/x", options: ["-v", "other:/v"]).status == 0)
            #expect(try await home.sandpiper("volume", "ls", "-q").lines == ["kept", "other"])
            let json = try await home.sandpiper("volume", "ls", "--json").output
            #expect(json.contains("\"size\" : \(64 << 20)") && json.contains("\"of\" : \"test\""))
            #expect(try await home.sandpiper("volume", "inspect", "other").output.contains("\"name\" : \"other\""))
            let missing = try await home.sandpiper("volume", "inspect", "none")
            #expect(missing.status == 125 && missing.error.contains("there is no volume 'none'"))

            #expect(
                try await home.sandpiper("create", "--no-start", "--name", "box", "-v", "kept:/v", "busybox").status
                    == 0)
            let refused = try await home.sandpiper("volume", "rm", "kept")
            #expect(refused.status == 125 && refused.error.contains("belongs to the sandbox box"), "\(refused.error)")
            #expect(try await home.sandpiper("volume", "prune", "-f").lines == ["other"])
            try await home.remove("box")
            #expect(try await home.sandpiper("volume", "rm", "kept").lines == ["kept"])
            #expect(try FileTree.names(in: home.path + "/volumes") == [])
        }
    }

    @Test("many sandboxes read a volume together, or one writes to it alone")
    func sharing() async throws {
        try await TestHome.with { home in
            #expect(try await home.busybox("echo shared >/v/file", options: ["-v", "data:/v"]).status == 0)
            _ = try await home.create("one", ["-v", "data:/v:ro"])
            _ = try await home.create("two", ["-v", "data:/v:ro"])
            for name in ["one", "two"] {
                #expect(
                    try await home.exec(name, "cat /v/file; echo x 2>/dev/null >/v/x || echo refused").lines == [
                        "shared", "refused",
                    ])
            }
            let refused = try await home.sandpiper("create", "--name", "three", "-v", "data:/v", "busybox")
            #expect(refused.status == 125 && refused.error.contains("in use by the sandboxes"), "\(refused.error)")
            #expect(refused.error.contains("one") && refused.error.contains("two") && refused.error.contains(":ro"))
            #expect(throws: StateError.self) { try home.directory("three") }
            #expect(try await home.sandpiper("volume", "ls").output.contains("one (ro), two (ro)"))
            #expect(try await home.sandpiper("rm", "-f", "one", "two").status == 0)
            try await home.waitForProcesses()

            _ = try await home.create("writer", ["-v", "data:/v"])
            let reader = try await home.sandpiper("run", "-v", "data:/v:ro", "busybox", "true")
            #expect(reader.status == 125 && reader.error.contains("in use by the sandbox writer"), "\(reader.error)")
            // A crash frees it, without anybody's help.
            try await home.supervisor("writer").kill()
            try await home.directory("writer").wait(for: .crashed)
            #expect(try await home.busybox("cat /v/file", options: ["-v", "data:/v:ro"]).lines == ["shared"])
            try await home.remove("writer")
            #expect(try await home.sandpiper("volume", "rm", "data").status == 0)
        }
    }

    @Test("a volume grows to its size and no further, and can be used again when something was removed")
    func sizeLimit() async throws {
        try await TestHome.with { home in
            #expect(try await home.sandpiper("volume", "create", "small", "--size", "4m").status == 0)
            let script = """
                dd if=/dev/zero of=/v/x bs=64k count=100 2>&1 | grep -c 'No space'; du -m /v/x | cut -f1; rm /v/x; echo again >/v/y && cat /v/y
                df -m /v | tail -1 | tr -s ' ' | cut -d' ' -f2
                """
            let outcome = try await home.busybox(script, options: ["-v", "small:/v"])
            #expect(outcome.lines == ["1", "4", "again", "4"], "\(outcome.output)\(outcome.error)")
            #expect(try await home.sandpiper("volume", "rm", "small").status == 0)
        }
    }

    @Test("a volume's files can be removed whatever modes a sandbox gave them")
    func closedDirectories() async throws {
        try await TestHome.with { home in
            let script = "mkdir -p /v/a/b; touch /v/a/b/c; chmod 0 /v/a/b /v/a"
            #expect(try await home.busybox(script, options: ["-v", "closed:/v"]).status == 0)
            let removed = try await home.sandpiper("volume", "rm", "closed")
            #expect(removed.status == 0, "\(removed.error)")
            #expect(try FileTree.names(in: home.path + "/volumes") == [])
        }
    }
}
