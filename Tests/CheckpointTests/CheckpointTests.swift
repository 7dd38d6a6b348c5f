import Foundation
import Glibc
import LinuxSystem
import Testing

@testable import Checkpoint

/// A Python program with threads, signals and all kinds of descriptors, which is frozen and goes on several times.
@Suite("A frozen process", .serialized) struct CheckpointTests {
    /// Waits for a line; then tells what it remembers, what its threads say, and what it reads from the shared memory.
    private static let program = """
        import mmap, os, queue, select, signal, sys, threading
        shared = mmap.mmap(int(sys.argv[1]), 1 << 20)
        shared[0:5] = b"first"
        secret = "remembered" * 1000
        questions, answers = queue.Queue(), queue.Queue()
        def work():
            while True: answers.put(questions.get() * 2)
        for _ in range(3): threading.Thread(target=work, daemon=True).start()
        signals = []
        # Whoever starts us may have blocked it.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGUSR1, lambda number, frame: signals.append(number))
        event, poll = os.eventfd(7), select.epoll()
        sys.stdout.write("ready\\n"); sys.stdout.flush()
        line = sys.stdin.readline()
        # Also a thread that is made after the thaw.
        threading.Thread(target=work, daemon=True).start()
        for number in range(4): questions.put(number)
        total = sum(answers.get(timeout=20) for _ in range(4))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        print(line.strip(), len(secret), total, signals, os.eventfd_read(event), shared[0:5].decode())
        shared[0:5] = b"dirty"
        sys.stdout.flush()
        os._exit(7)
        """

    @Test("goes on where it stood, as often as it is started, and leaves the shared memory as it was")
    func goesOn() throws {
        let scratch = NSTemporaryDirectory() + "sandpiper-checkpoint-\(UInt32.random(in: .min ... .max))"
        try FileTree.makeDirectory(scratch)
        defer { try? FileTree.removeTree(scratch) }
        let memory = try Descriptor.memory("shared")
        #expect(ftruncate(memory.rawValue, 1 << 20) == 0)
        let (input, output) = (try Descriptor.pipe(), try Descriptor.pipe())
        let pid = try Spawned.start(
            "/usr/bin/python3", ["python3", "-c", Self.program, "3"], [input.read, output.write, nil, memory])
        defer { Spawned.end(pid) }
        #expect(try Spawned.line(output.read) == "ready")
        // The main thread is on its way to read; it shall wait there.
        try Spawned.waitUntilAsleep(pid)

        let file = try Descriptor(opening: scratch + "/program", O_RDWR | O_CREAT, mode: 0o700)
        let bounds = try ProcessMemory(of: pid).bounds(of: memory)
        let whole = Checkpoint.OwnedMemory.Part(length: 1 << 20, file: 0, offset: 0)
        let checkpoint = try Checkpoint.take(
            of: pid, memory: .init(bounds: bounds, parts: [whole]), sharing: [memory], to: file)
        Spawned.end(pid)
        let kept = try Descriptor(opening: scratch + "/memory", O_RDWR | O_CREAT)
        try SparseCopy(from: memory, to: kept).run()
        let program = try Descriptor(opening: scratch + "/program")
        // The writer is gone, or it could not be run.
        let path = scratch + "/copy"
        try FileManager.default.copyItem(atPath: scratch + "/program", toPath: path)

        for round in 1...3 {
            let (thawed, input, output) = try Self.thaw(path, checkpoint, kept, [program, try kept.reopened()])
            defer { Spawned.end(thawed) }
            try Self.expectEnd(of: thawed, input, output, round)
        }

        // A copy that is frozen again refers to what it has not changed, and goes on as well.
        let (thawed, waitingInput, _) = try Self.thaw(path, checkpoint, kept, [program, try kept.reopened()])
        defer { Spawned.end(thawed) }
        try Spawned.waitUntilAsleep(thawed)
        let second = scratch + "/second"
        let secondFile = try Descriptor(opening: second, O_RDWR | O_CREAT, mode: 0o700)
        let again = try Checkpoint.take(
            of: thawed,
            memory: .init(bounds: bounds, parts: [.init(length: 1 << 20, file: 1, offset: 0)]),
            sharing: [program, kept], to: secondFile)
        Spawned.end(thawed)
        withExtendedLifetime(waitingInput) {}
        let (size, secondSize) = (FileTree.diskUsage(path), FileTree.diskUsage(second))
        #expect(secondSize < size / 2, "\(secondSize) of \(size)")
        try FileManager.default.copyItem(atPath: second, toPath: second + ".copy")
        for round in 1...3 {
            let files = [try Descriptor(opening: second), program, try kept.reopened()]
            let (thawed, input, output) = try Self.thaw(second + ".copy", again, kept, files)
            defer { Spawned.end(thawed) }
            try Self.expectEnd(of: thawed, input, output, round)
        }
    }

    private static func thaw(
        _ path: String, _ checkpoint: Checkpoint, _ kept: Descriptor, _ files: [Descriptor]
    ) throws -> (pid_t, Descriptor, Descriptor) {
        let (input, output) = (try Descriptor.pipe(), try Descriptor.pipe())
        var given = [Descriptor?](repeating: nil, count: Int(checkpoint.program + checkpoint.files) + 1)
        for descriptor in checkpoint.descriptors { given[Int(descriptor.number)] = try descriptor.recreated() }
        given[0] = input.read
        given[1] = output.write
        given[3] = try kept.reopened()
        for (index, file) in files.enumerated() { given[Int(checkpoint.program) + index] = file }
        return (try Spawned.start(path, ["thawed"], given), input.write, output.read)
    }

    private static func expectEnd(
        of thawed: pid_t, _ input: Descriptor, _ output: Descriptor, _ round: Int
    ) throws {
        try input.write(Array("hello \(round)\n".utf8))
        let said = try Spawned.line(output)
        #expect(said == "hello \(round) 10000 12 [10] 7 first", "\(said)")
        #expect(Spawned.status(of: thawed) == 7)
    }

    @Test("is refused where it has what cannot be given to another")
    func refusals() throws {
        let memory = try Descriptor.memory("shared")
        let (input, output) = (try Descriptor.pipe(), try Descriptor.pipe())
        let file = try Descriptor.memory("program")
        for (what, code) in [
            ("shares", "import mmap; m = mmap.mmap(-1, 4096)"),
            ("watches others", "import select; e = select.epoll(); e.register(0)"),
            ("of the kind", "import ctypes; ctypes.CDLL(None).timerfd_create(1, 0)"),
        ] {
            let pid = try Spawned.start(
                "/usr/bin/python3", ["python3", "-c", code + "; print('ready', flush=True); input()"],
                [input.read, output.write])
            defer { Spawned.end(pid) }
            #expect(try Spawned.line(output.read) == "ready")
            try Spawned.waitUntilAsleep(pid)
            let error = #expect(throws: CheckpointError.self) {
                try Checkpoint.take(
                    of: pid, memory: .init(bounds: 0..<0, parts: []), sharing: [memory], to: file)
            }
            #expect(error?.description.contains(what) == true, "\(error as Any)")
            // It goes on all the same.
            try input.write.write([0x0a])
            #expect(Spawned.status(of: pid) == 0)
        }
    }
}
