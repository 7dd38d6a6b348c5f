import Glibc
import LinuxSystem
import SandboxState
import Testing

/// What a guest can do to its own sandbox, and that this is told as it is.
@Suite(.needsMachines) struct HostileGuestTests {
    @Test("a guest that fills its process table, its disk and its console can still be used and stopped")
    func exhaustion() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("greedy", ["--pids-limit", "64", "--disk", "64m", "--memory", "128m"])
            let bomb = try await home.exec(
                "greedy", "i=0; while [ $i -lt 200 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i + 1)); done; echo left")
            #expect(bomb.status != 0 || bomb.error.contains("fork"), "\(bomb.output)")
            _ = try await home.sandpiper("kill", "greedy")
            #expect(try await home.sandpiper("start", "greedy").status == 0)
            let full = try await home.exec("greedy", "dd if=/dev/zero of=/full bs=1M 2>&1; sync; rm /full; echo usable")
            #expect(full.output.contains("No space left") && full.lines.last == "usable", "\(full.error)")
            let loud = "seq 20000 > /dev/kmsg & seq 60000 > /dev/console; wait; echo loud"
            #expect(try await home.exec("greedy", loud).lines.last == "loud")
            let size = sandbox.consoleFiles.reduce(Int64(0)) { sum, file in
                sum + ((try? Descriptor(opening: file).status().st_size).map { Int64($0) } ?? 0)
            }
            #expect(size <= 256 << 10)
            let memory = try await home.exec("greedy", "tail /dev/zero; echo $?")
            #expect(memory.lines.last == "\(128 + SIGKILL)", "\(memory.error)")
            #expect(try await home.exec("greedy", "echo alive").output == "alive\n")
            #expect(try await home.sandpiper("stop", "--time", "1s", "greedy").status == 0)
            #expect(sandbox.currentLife().status == .stopped)
            try await home.remove("greedy")
        }
    }

    @Test("a guest that panics is told as crashed, with its kernel's reason")
    func panic() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("shaky", [])
            // Root in the guest has errors of its disk be fatal, and then makes some.
            let script = """
                disk=$(grep -l fresh /sys/block/vd*/serial); disk=/dev/$(basename $(dirname $disk))
                mkdir -p /mnt/again; mount -t ext4 $disk /mnt/again; mount -o remount,errors=panic /mnt/again
                dd if=/dev/urandom of=$disk bs=1M seek=1 count=64 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches
                ls -laR /mnt/again >/dev/null; touch /mnt/again/x; sync; sleep 60
                """
            let outcome = try await home.exec("shaky", script)
            #expect(outcome.status == 125, "\(outcome.error)")
            let life = sandbox.currentLife()
            #expect(life.status == .crashed)
            #expect(life.reason?.contains("the guest's kernel panicked: EXT4-fs") == true, "\(life.reason ?? "")")
            try await home.remove("shaky")
        }
    }

    @Test("a kernel that is none is refused, whole, and leaves a sandbox that was made before as it was")
    func noKernel() async throws {
        try await TestHome.with { home in
            let garbage = home.scratch + "/kernel"
            try FileTree.writeAtomically([UInt8](repeating: 0x5a, count: 1 << 20), to: garbage)
            let refused = try await home.sandpiper("create", "--name", "none", "--kernel", garbage, "busybox")
            #expect(refused.status == 125)
            #expect(refused.error != "")
            try await home.expectNothingLeft()
            let made = try await home.sandpiper(
                "create", "--no-start", "--name", "none", "--kernel", garbage, "busybox")
            #expect(made.status == 0, "\(made.error)")
            let sandbox = try home.directory("none")
            let started = try await home.sandpiper("start", "none")
            #expect(started.status == 125)
            #expect(sandbox.currentLife().status == .crashed && sandbox.currentLife().reason != nil)
            try await home.remove("none")
        }
    }

    @Test("a machine whose agent says nothing can be given up at once by a signal, and leaves nothing")
    func silence() async throws {
        try await TestHome.with { home in
            let silent = home.scratch + "/silent.cpio"
            try FileTree.writeAtomically(SilentGuest.initramfs, to: silent)
            let create = home.command(["create", "--name", "silent", "busybox"])
            let outcome = try await Command(
                executable: "/usr/bin/env",
                arguments: ["SANDPIPER_INITRAMFS=\(silent)", create.executable] + create.arguments,
                environment: create.environment
            ).run { command in
                // Whatever it has come to by now: the machine never gets ready.
                try await Task.sleep(for: .milliseconds(700))
                command.signal(SIGTERM)
            }
            #expect(outcome.status == 128 + SIGTERM, "\(outcome.error)")
            try await home.waitForProcesses()
            try await home.expectNothingLeft()
        }
    }
}

/// A guest whose first process does nothing.
private enum SilentGuest {
    /// An archive in the "newc" format of cpio(5) with `/dev/console` and `/init`.
    static var initramfs: [UInt8] {
        record("dev", 0o040755) + record("dev/console", 0o020600, device: (5, 1)) + record("init", 0o100755, program)
            + record("TRAILER!!!", 0)
    }

    /// A program for x86-64 that calls pause(2) again and again; see elf(5).
    private static let program: [UInt8] =
        [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + zeros(9) + [2, 0, 0x3e, 0, 1, 0, 0, 0]
        + [0x78, 0, 0x40, 0, 0, 0, 0, 0] + [0x40] + zeros(7) + zeros(8) + zeros(4) + [0x40, 0, 0x38, 0, 1, 0] + zeros(6)
        + [1, 0, 0, 0, 5, 0, 0, 0] + zeros(8) + [0, 0, 0x40, 0, 0, 0, 0, 0] + [0, 0, 0x40, 0, 0, 0, 0, 0]
        + [0x81] + zeros(7) + [0x81] + zeros(7) + [0, 0x10] + zeros(6)
        + [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static func record(
        _ name: String, _ mode: UInt32, _ content: [UInt8] = [], device: (UInt32, UInt32) = (0, 0)
    ) -> [UInt8] {
        let fields = [
            1, mode, 0, 0, 1, 0, UInt32(content.count), 0, 0, device.0, device.1, UInt32(name.utf8.count + 1), 0,
        ]
        let header = fields.reduce("070701") { text, field in
            let digits = String(field, radix: 16)
            return text + String(repeating: "0", count: 8 - digits.count) + digits
        }
        let head = Array(header.utf8) + Array(name.utf8) + [0]
        return padded(head) + padded(content)
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + zeros((4 - bytes.count % 4) % 4) }
}
