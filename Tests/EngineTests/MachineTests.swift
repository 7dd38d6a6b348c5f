import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("A machine", .serialized) struct MachineTests {
    @Test("boots, speaks on its console and its agent port, and ends when its guest does")
    func boot() async throws {
        let machine = try await TestGuest.start("echo console; echo port >/dev/vport0p1; read line")
        defer { machine.kill() }
        _ = try await GuestChannel(descriptor: machine.console).read(through: "console\n")
        #expect(try await GuestChannel(descriptor: machine.agentPort).read(through: "\n") == "port\n")
        try machine.console.write(Array("end\n".utf8))
        let exit = await machine.waitForExit()
        #expect(exit.cause == .guestShutdown, "\(exit)")
        #expect(exit.lastMessages.isEmpty, "\(exit)")
    }

    @Test("runs behind every wall that this host offers, as the engine's process shows")
    func walls() async throws {
        let machine = try await TestGuest.start("echo up; read line", userNumber: 9)
        defer { machine.kill() }
        _ = try await GuestChannel(descriptor: machine.console).read(through: "up\n")
        let seen = try ProcessView(pid: machine.description.pid)
        #expect(seen.status["Seccomp"] == "2")
        #expect(seen.status["NoNewPrivs"] == "1")
        #expect(seen.status["CapEff"] == "0000000000000000")
        #expect(seen.environment.isEmpty)
        #expect(
            !seen.descriptors.values.contains { $0.hasPrefix("/dev/") && !["/dev/null", "/dev/urandom"].contains($0) })
        if machine.description.walls.standing.contains(.user) {
            #expect(seen.status["Uid"]?.hasPrefix("\(Walls.firstUser + 9)\t") == true)
        }
        if machine.description.walls.standing.contains(.network) { #expect(seen.networkInterfaces == ["lo"]) }
    }

    @Test("joins the extents of a read-only disk, 127 of them, and finds each disk by its serial")
    func disks() async throws {
        let pieces = try (0..<127).map { number in
            try TestFile([UInt8](repeating: UInt8(number + 1), count: 512 * (1 + number % 3)))
        }
        let extents = try pieces.map { piece in
            let file = try Descriptor(opening: piece.path)
            return MachineSpecification.Disk.Extent(file: file, length: Int64(try file.status().st_size))
        }
        let single = try TestFile(Array(repeating: UInt8(ascii: "s"), count: 2048))
        let upper = try TestFile([UInt8](repeating: 0, count: 1 << 20))
        let machine = try await TestGuest.start(
            """
            dd if=$(disk image) bs=512 2>/dev/null | sha256sum
            head -c 4096 $(disk single) | wc -c
            echo written | dd of=$(disk upper) bs=512 conv=sync 2>/dev/null; sync
            echo no >$(disk image); echo no >$(disk single)
            """,
            disks: [
                .init(serial: "image", extents: extents, readOnly: true),
                // Half of the file: an extent may be its first bytes only.
                .init(
                    serial: "single", extents: [.init(file: try Descriptor(opening: single.path), length: 1024)],
                    readOnly: true),
                .init(
                    serial: "upper",
                    extents: [.init(file: try Descriptor(opening: upper.path, O_RDWR), length: 1 << 20)],
                    readOnly: false),
            ], diskLimit: 1 << 20)
        defer { machine.kill() }
        let console = GuestChannel(descriptor: machine.console)
        let digest = try await console.read(through: "\n")
        let files = pieces.map(\.path).joined(separator: " ")
        #expect(digest == (try TestGuest.output(of: "cat \(files) | sha256sum")))
        #expect(try await console.read(through: "\n") == "1024\n")
        #expect(await machine.waitForExit().cause == .guestShutdown)
        #expect(try FileTree.read(upper.path).starts(with: Array("written\n".utf8)))
        #expect(try FileTree.read(single.path) == Array(repeating: UInt8(ascii: "s"), count: 2048))
    }

    @Test("sees an input/output error when it writes past the disk limit, and lives on")
    func diskLimit() async throws {
        let upper = try TestFile()
        let file = try Descriptor(opening: upper.path, O_RDWR)
        #expect(ftruncate(file.rawValue, 8 << 20) == 0)
        let machine = try await TestGuest.start(
            """
            dd if=/dev/zero of=$(disk upper) bs=1M count=2 oflag=direct 2>/dev/null && echo within
            dd if=/dev/zero of=$(disk upper) bs=1M count=1 seek=6 oflag=direct 2>/dev/null || echo beyond
            echo alive
            """,
            disks: [.init(serial: "upper", extents: [.init(file: file, length: 8 << 20)], readOnly: false)],
            diskLimit: 4 << 20)
        defer { machine.kill() }
        let seen = try await GuestChannel(descriptor: machine.console).read(through: "alive\n")
        #expect(seen.contains("within\n") && seen.contains("beyond\n"), "\(seen)")
    }

    @Test("stands still while paused and goes on when resumed")
    func pause() async throws {
        let machine = try await TestGuest.start("while read line; do echo got $line; done")
        defer { machine.kill() }
        let console = GuestChannel(descriptor: machine.console)
        try machine.console.write(Array("one\n".utf8))
        _ = try await console.read(through: "got one\n")
        try await machine.pause()
        try machine.console.write(Array("two\n".utf8))
        var wait = pollfd(fd: machine.console.rawValue, events: Int16(POLLIN), revents: 0)
        #expect(poll(&wait, 1, 300) == 0)
        try await machine.resume()
        _ = try await console.read(through: "got two\n")
    }

    @Test("ends when it is asked to stop, and then obeys no more")
    func stop() async throws {
        let machine = try await TestGuest.start("echo up; read line")
        defer { machine.kill() }
        _ = try await GuestChannel(descriptor: machine.console).read(through: "up\n")
        try await machine.stop()
        #expect(await machine.waitForExit().cause == .stopped)
        await #expect(throws: EngineError.ended) { try await machine.pause() }
        #expect(await machine.waitForExit().cause == .stopped)
    }

    @Test("ends at once when it is killed, whatever it is doing")
    func kill() async throws {
        let machine = try await TestGuest.start("while :; do :; done")
        machine.kill()
        #expect(await machine.waitForExit().cause == .signal(SIGKILL))
        machine.kill()
    }

    @Test("ends when its kernel panics")
    func panic() async throws {
        let machine = try await TestGuest.start("exit 3")
        defer { machine.kill() }
        #expect(await machine.waitForExit().cause == .guestShutdown)
    }

    @Test("that the engine refuses tells what the engine said")
    func refused() async throws {
        let kernel = try TestFile(Array("not a kernel".utf8))
        let specification = MachineSpecification(
            memory: 64 << 20,
            origin: .boot(kernel: try Descriptor(opening: kernel.path), initramfs: try TestGuest.initramfs("")),
            disks: [], diskLimit: 0)
        let machine = try await QEMUMachine.start(specification, on: try TestGuest.engine())
        let exit = await machine.waitForExit()
        #expect(exit.cause == .failure(code: 1))
        #expect(exit.lastMessages.contains("kernel"), "\(exit.lastMessages)")
    }

    @Test("whose messages nobody reads does not stall")
    func unreadMessages() async throws {
        let machine = try await TestGuest.start("echo up")
        defer { machine.kill() }
        #expect(await machine.waitForExit().cause == .guestShutdown)
        #expect(try machine.messages.readAll(limit: 1 << 20).isEmpty)
    }

    @Test("with two processors runs on both")
    func processors() async throws {
        let specification = MachineSpecification(
            cpus: 2, memory: 256 << 20,
            origin: .boot(
                kernel: try TestGuest.kernel.get(),
                initramfs: try TestGuest.initramfs("grep -c ^processor /proc/cpuinfo")), disks: [], diskLimit: 0)
        let machine = try await QEMUMachine.start(specification, on: try TestGuest.engine())
        defer { machine.kill() }
        _ = try await GuestChannel(descriptor: machine.console).read(through: "2\n")
    }
}
