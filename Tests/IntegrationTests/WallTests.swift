import Glibc
import LinuxSystem
import Testing

/// The wall round the engine of a running sandbox, seen from the host.
@Suite(.needsMachines) struct WallTests {
    @Test("an engine has no privileges, no environment, no network and no file but its own")
    func engine() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("run", "--name", "walled", "busybox", "--", "sh", "-c", "echo up; sleep 1000")
            { command in
                try await command.expectLine("up")
                let engine = try home.process(named: "sandpiper-vm")
                #expect(try engine.status("NoNewPrivs") == "1")
                #expect(try engine.status("Seccomp") == "2")
                // A core dump needs more than one byte, also one that goes to a program through a pipe.
                let limits = engine.text("limits").split(separator: "\n")
                let core = try #require(limits.first { $0.hasPrefix("Max core file size") })
                #expect(core.split(separator: " ").dropFirst(4).prefix(2).compactMap { Int($0) }.allSatisfy { $0 <= 1 })
                #expect(engine.environment == [])
                for space in ["net", "ipc", "pid"] {
                    #expect(engine.link("ns/\(space)") != HostProcess(pid: getpid()).link("ns/\(space)"))
                }
                let inspected = try await home.host(
                    "sandpiper inspect walled | jq -r '.[0].engine | (.walls | length), (.missingWalls | length)'")
                let walls = inspected.lines.compactMap { Int($0) }
                try #require(walls.count == 2, "\(inspected.error)")
                #expect(walls[0] > 3)
                command.signal(SIGTERM)
            }
        }
    }

    @Test("root's engines run as users of their own, without capabilities", .needsRoot("only root can change users"))
    func users() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("run", "busybox", "--", "sh", "-c", "echo up; sleep 1000") { command in
                try await command.expectLine("up")
                let engine = try home.process(named: "sandpiper-vm")
                let ids = try engine.status("Uid").split(separator: " ").compactMap { Int($0) }
                #expect(ids.count == 4 && ids.allSatisfy { $0 > 65535 }, "\(ids)")
                #expect(try engine.status("CapEff") == "0000000000000000")
                #expect(try engine.status("CapBnd") == "0000000000000000")
                // Its disks, its kernel, its channels to the supervisor; never the home's folders, never a terminal.
                let files = engine.descriptors.values.filter { $0.hasPrefix("/") }
                #expect(files.allSatisfy { !$0.hasPrefix("/dev/pts") && !$0.hasSuffix("/lock") }, "\(files)")
                command.signal(SIGTERM)
            }
        }
    }
}
