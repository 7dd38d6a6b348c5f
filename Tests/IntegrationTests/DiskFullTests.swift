import Glibc
import LinuxSystem
import SandboxState
import Testing

/// A home on a disk of the host's that is full.
@Suite(.needsMachines, .needsRoot("mounts a small file system")) struct DiskFullTests {
    @Test("on a full disk nothing is made by halves, what runs can be stopped, and the state shown is true")
    func full() async throws {
        try await TestHome.with { home in
            // The tests' homes are copied, so that a mount can take the place of one that holds an image.
            let mounted = try await home.host(
                """
                truncate -s 192M disk && mke2fs -q -F -t ext4 -b 4096 -m 0 disk && mv home kept && mkdir home &&
                mount -o loop disk home && cp -a kept/. home/
                """)
            try #require(mounted.status == 0, "\(mounted.error)")
            do { try await use(home) } catch {
                Issue.record(error)
            }
            home.processes().forEach { $0.kill() }
            try await home.waitForProcesses()
            let restored = try await home.host("umount home && rmdir home && mv kept home && rm disk")
            #expect(restored.status == 0, "\(restored.error)")
        }
    }

    private func use(_ home: TestHome) async throws {
        let fill =
            "dd if=/dev/zero of=home/ballast bs=64k status=none 2>/dev/null; dd if=/dev/zero of=home/ballast2 bs=1 "
            + "count=4096 status=none 2>/dev/null; sync home/ballast; df --output=avail home | tail -n 1"
        let free = "rm -f home/ballast home/ballast2"
        let sandbox = try await home.create("kept", ["--disk", "64m"])
        _ = try await home.exec("kept", "echo precious > /kept; sync")
        #expect(try await home.host(fill).lines.last?.contains("0") == true)

        // While it runs: processes and their output go on; what cannot be kept is told.
        #expect(try await home.exec("kept", "echo alive").output == "alive\n")
        _ = try await home.sandpiper("exec", "-d", "kept", "true")
        _ = try await home.exec("kept", "dd if=/dev/zero of=/more bs=1M count=40 2>&1; sync; true")
        // A new one is refused and leaves nothing.
        let refused = try await home.sandpiper("create", "--name", "new", "--disk", "64m", "busybox")
        #expect(refused.status == 125 && refused.error != "", "\(refused.error)")
        #expect(throws: StateError.self) { try home.directory("new") }
        // Stopping ends with the truth: it is at rest.
        let stopped = try await home.sandpiper("stop", "--time", "1s", "kept")
        try await home.waitForProcesses()
        #expect(!sandbox.isOwned)
        let life = sandbox.currentLife()
        #expect(
            stopped.status == 0 && life.status == .stopped || life.status == .crashed && life.reason != nil, "\(life)")
        _ = try await home.sandpiper("start", "kept")

        #expect(try await home.host(free).status == 0)
        if !sandbox.isOwned {
            let started = try await home.sandpiper("start", "kept")
            #expect(started.status == 0, "\(started.error)")
        }
        #expect(try await home.exec("kept", "cat /kept").output == "precious\n")
        try await home.remove("kept")
        try await home.use("new", options: ["--disk", "64m"])
    }
}
