import Glibc
import LinuxSystem
import Testing

/// What a sandbox may use: processors, memory, disk, console.
@Suite(.needsMachines) struct LimitsTests {
    @Test("a sandbox has the processors, the memory and the disk it was given")
    func sizes() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                "nproc; awk '/MemTotal/ { print $2 }' /proc/meminfo; df -k / | awk 'END { print $2 }'",
                options: ["--cpus", "2", "--memory", "256MiB", "--disk", "1.5g"])
            let numbers = outcome.lines.compactMap { Int($0) }
            try #require(numbers.count == 3, "\(outcome.error)")
            #expect(numbers[0] == 2)
            #expect((200 << 10...256 << 10).contains(numbers[1]))
            #expect((1400 << 10...1536 << 10).contains(numbers[2]))
        }
    }

    @Test("without options a sandbox has one processor, 512 MiB and 8 GiB")
    func defaults() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                "nproc; awk '/MemTotal/ { print $2 }' /proc/meminfo; df -k / | awk 'END { print $2 }'")
            let numbers = outcome.lines.compactMap { Int($0) }
            try #require(numbers.count == 3, "\(outcome.error)")
            #expect(numbers[0] == 1)
            #expect((450 << 10...512 << 10).contains(numbers[1]))
            #expect((7500 << 10...8192 << 10).contains(numbers[2]))
        }
    }

    @Test("a guest that fills its disk is told so, and the host's file stays within the limit")
    func fullDisk() async throws {
        try await TestHome.with { home in
            let script =
                "dd if=/dev/zero of=/full bs=1M 2>&1 | grep -o 'No space left on device'; sync; echo full; sleep 1000"
            _ = try await home.sandpiper("run", "--disk", "64m", "busybox", "--", "sh", "-c", script) { command in
                try await command.expectLine("No space left on device")
                try await command.expectLine("full")
                let sandbox = try #require(home.sandboxes.first { $0.hasPrefix("sandboxes/") })
                let status = try Descriptor(opening: "\(home.path)/\(sandbox)/upper.img").status()
                #expect(status.st_blocks * 512 <= 65 << 20)
                command.signal(SIGTERM)
            }
        }
    }

    @Test("a guest that writes past the end of its disk gets an error, and its sandbox lives on")
    func pastTheDisk() async throws {
        try await TestHome.with { home in
            let script = """
                for seek in 63 64 1000000; do dd if=/dev/zero of=/dev/vdb bs=1M seek=$seek count=1 conv=fsync 2>/dev/null && echo written || echo refused; done
                dd if=/dev/zero of=/dev/vda bs=4k count=1 2>/dev/null && echo written || echo refused; echo alive
                """
            let outcome = try await home.busybox(script, options: ["--disk", "64m"])
            #expect(outcome.lines == ["written", "refused", "refused", "refused", "alive"], "\(outcome.error)")
            // A disk of the usual size lies behind another device; behind the first there is nothing to write to.
            let usual = """
                for disk in vdb vdc; do for seek in 8000 8192 1000000; do
                dd if=/dev/zero of=/dev/$disk bs=1M seek=$seek count=1 conv=fsync 2>/dev/null && echo written || echo refused
                done; done; echo alive
                """
            let lines = try await home.busybox(usual).lines
            #expect(lines == [String](repeating: "refused", count: 3) + ["written", "refused", "refused", "alive"])
        }
    }

    @Test("a guest that uses up its memory loses a process, not its sandbox")
    func outOfMemory() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("tail /dev/zero; echo $?", options: ["--memory", "128m"])
            #expect(outcome.lines.last == "\(128 + SIGKILL)", "\(outcome.error)")
        }
    }

    @Test("a flood on the guest's console stays bounded on the host, and its end can be read")
    func console() async throws {
        try await TestHome.with { home in
            let script = "seq 60000 >/dev/console; echo done; sleep 1000"
            _ = try await home.sandpiper("run", "--name", "loud", "busybox", "--", "sh", "-c", script) { command in
                try await command.expectLine("done")
                let sandbox = try #require(home.sandboxes.first { $0.hasPrefix("sandboxes/") })
                let size = try await home.host("cat '\(home.path)/\(sandbox)'/console.log* | wc -c").lines
                #expect(size.compactMap { Int($0) }.allSatisfy { $0 > 0 && $0 <= 256 << 10 }, "\(size)")
                let logs = try await home.sandpiper("logs", "--console", "loud")
                #expect(logs.status == 0)
                #expect(logs.lines.contains("59000"))
                command.signal(SIGTERM)
            }
        }
    }
}
