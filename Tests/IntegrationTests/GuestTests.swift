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
    func clock() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("run", "busybox", "--", "sh", "-c", "date +%s; date +%Z; sleep 1000") {
                command in
                let line = try await command.line()
                let now = Int(time(nil))
                let guest = try #require(line.flatMap { Int($0) })
                #expect(abs(guest - now) <= 2)
                try await command.expectLine("UTC")
                command.signal(SIGTERM)
            }
        }
    }

    @Test("namespaces and pivot_root work inside, for root and for others")
    func namespaces() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                unshare -m -u -i -p -n -f sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/old /tmp/bin && cp /bin/busybox /tmp/bin &&
                  cd /tmp && pivot_root . old && exec chroot . /bin/busybox sh -c "echo pivoted; /bin/busybox ls /"'
                """)
            #expect(outcome.lines == ["pivoted", "bin", "old"], "\(outcome.error)")
            let user = try await home.busybox(
                "unshare -U -r -m -p -f sh -c 'id -u; echo $$; mount -t tmpfs none /home && echo mounted'",
                options: ["-u", "worker"])
            #expect(user.lines == ["0", "1", "mounted"], "\(user.error)")
        }
    }

    @Test("bubblewrap makes its sandbox inside, also for an ordinary user", arguments: ["root", "nobody"])
    func bubblewrap(user: String) async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await home.sandpiper(
                "run", "-u", user, "python", "--", "bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
                "--tmpfs", "/tmp", "--unshare-all", "--die-with-parent", "sh", "-c",
                "echo inside; ls /proc/*/status | wc -l")
            #expect(outcome.lines.first == "inside", "\(outcome.error)")
            #expect(outcome.status == 0)
        }
    }

    @Test("control groups limit what runs inside")
    func controlGroups() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                cd /sys/fs/cgroup; cat cgroup.controllers
                echo '+memory +pids +cpu' >cgroup.subtree_control || { mkdir init; for p in $(cat cgroup.procs); do echo $p >init/cgroup.procs; done 2>/dev/null
                  echo '+memory +pids +cpu' >cgroup.subtree_control; }
                mkdir small && echo 16M >small/memory.max && echo 50 >small/pids.max && cat small/memory.max
                sh -c 'echo $$ >small/cgroup.procs; exec tail /dev/zero'; echo $?
                """)
            let controllers = Set(outcome.lines.first?.split(separator: " ") ?? [])
            #expect(controllers.isSuperset(of: ["cpuset", "cpu", "io", "memory", "pids"]))
            #expect(outcome.lines.suffix(2) == ["16777216", "\(128 + SIGKILL)"], "\(outcome.error)")
        }
    }

    @Test("there is a loopback interface and a device that leads nowhere, and users make more")
    func network() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                ls /sys/class/net; ip -o addr | grep -c 'scope host'
                (nc -l -p 80 </dev/null & sleep 0.5; echo over loopback | nc -w 3 127.0.0.1 80; wait)
                tunctl -t tun7 >/dev/null && ip link add bridge7 type bridge && ip link add veth7 type veth &&
                  ls -d /sys/class/net/*7 | wc -l
                ping -c 1 -W 1 192.0.2.1 2>&1 | grep -o 'Network is unreachable'
                """)
            #expect(
                outcome.lines == ["eth0", "lo", "2", "over loopback", "3", "Network is unreachable"],
                "\(outcome.error)")
        }
    }

    @Test("orphans are reaped")
    func orphans() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                for i in $(seq 50); do (sleep 0.2 & exit); done; sleep 1
                ps -o stat,comm | grep -c '^Z'; ps -o ppid,comm | awk '$2 == "sleep"' | wc -l
                """)
            #expect(outcome.lines == ["0", "0"], "\(outcome.error)")
        }
    }

    @Test("the setuid bit and file capabilities of an image work")
    func privileges() async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let outcome = try await home.sandpiper(
                "run", "localhost/layers",
                "for program in busybox setuid capable; do (exec -a busybox /bin/$program ping -c 1 127.0.0.1) >/dev/null 2>&1; echo $program $?; done"
            )
            #expect(outcome.lines == ["busybox 1", "setuid 0", "capable 0"], "\(outcome.error)")
        }
    }

    @Test("a root file system takes every kind of change")
    func changes() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                """
                rm -r /home && mkdir -p /home/new && mv /etc/passwd /etc/group /home/new/ && ls /home /home/new
                mv /bin /moved && /moved/ln -s moved /bin && ln /bin/busybox /link && mkfifo /fifo && mknod /device c 1 3 && echo x >/device
                chmod 1700 /home && chown 5:6 /home && stat -c '%a %u %g' /home
                rmdir /home 2>/dev/null || rm -r /home; [ -e /home ] || echo gone
                """)
            #expect(
                outcome.lines == ["/home:", "new", "/home/new:", "group", "passwd", "1700 5 6", "gone"],
                "\(outcome.output)\(outcome.error)")
        }
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
