import Glibc
import LinuxSystem
import Testing

/// What a command finds in a sandbox: a whole Linux machine, whatever its image lacks.
@Suite(.needsMachines) struct GuestTests {
    @Test("what every program expects is there, though the image lacks it")
    func furniture() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                for path in /proc/self/status /sys/class /dev/null /dev/shm /dev/pts/ptmx /dev/fd/0 /dev/stdin /dev/tty \
                  /etc/resolv.conf /etc/hosts /etc/hostname /etc/machine-id /run /sys/fs/cgroup/cgroup.procs; do
                  [ -e $path ] || echo $path is missing; done
                stat -c '%a %n' /tmp /dev/shm /dev/null
                echo works >/dev/shm/file && cat /dev/shm/file
                grep -c localhost /etc/hosts; grep $(hostname) /etc/hosts | cut -f 1; wc -c </etc/machine-id
                """)
            #expect(
                outcome.lines == ["1777 /tmp", "1777 /dev/shm", "666 /dev/null", "works", "2", "127.0.1.1", "33"],
                "\(outcome.error)")
        }
    }

    @Test("programs pay for no controller of control groups that nobody asked for, and root may turn on every one")
    func controllers() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                cd /sys/fs/cgroup && cat cgroup.subtree_control
                echo '+cpu +memory +io' >cgroup.subtree_control && mkdir container && echo 16M >container/memory.max
                echo $$ >container/cgroup.procs && cat container/memory.max && grep -c pids /proc/self/cgroup
                ls container/cpu.max sandbox/cpu.max
                """)
            #expect(
                outcome.lines == ["pids", "16777216", "0", "container/cpu.max", "sandbox/cpu.max"], "\(outcome.error)")
        }
    }

    @Test("two sandboxes share no name, no machine id and no random number")
    func identity() async throws {
        try await TestHome.with { home in
            let script =
                "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | hexdump -C"
            let first = try await home.busybox(script).lines
            let second = try await home.busybox(script).lines
            #expect(first.count == 5)
            #expect(Set(first).intersection(second) == ["00000010"])
        }
    }

    @Test("the guest's clock is the host's")
    func clockChange() async throws {
        try await TestHome.with { home in
            _ = try await home.create("late")
            let early = try await home.exec("late", "date -s @1000000000 >/dev/null; date +%Y")
            #expect(early.output == "2001\n")
            if Self.setClockToItself() {
                let waiting = "until [ $(date +%Y) != 2001 ]; do sleep 0.02; done; date +%s"
                let guest = try await home.exec("late", waiting)
                let seconds = Int(guest.output.dropLast()) ?? 0
                #expect(abs(seconds - Int(HostClock.wall / 1_000_000_000)) < 60, "\(guest.output)")
            }
            try await home.remove("late")
        }
    }

    /// Sets the host's clock to what it is: some microseconds later. Containers may not.
    private static func setClockToItself() -> Bool {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return clock_settime(CLOCK_REALTIME, &time) == 0
    }

    @Test("a command may open many files and start many processes")
    func room() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                "ulimit -n; for i in $(seq 200); do sleep 1 & done; wait; echo $(jobs | wc -l)")
            #expect(outcome.lines.first.flatMap { Int($0) }.map { $0 >= 1024 } == true)
            #expect(outcome.lines.last == "0")
        }
    }
}
