import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("The engine's life") struct ParentDeathTests {
    @Test("ends when the process that holds the machine is killed")
    func supervisorKilled() async throws {
        let kernel = try TestGuest.kernel.get()
        let initramfs = try TestFile(try TestGuest.initramfs("read line").bytes)
        let program = try TestProgram.path("engine-holder")
        let output = try Descriptor.pipe()
        let holder = try spawn(
            [program, "/proc/self/fd/3", initramfs.path, "/tmp"], output: output.write, passing: kernel)
        defer { waitpid(holder, nil, 0) }  // it is dead by then
        let line = try await GuestChannel(descriptor: output.read).read(through: "\n")
        let pid = try #require(pid_t(line.trimmingSpaces))
        let engine = try #require(PidDescriptor(pid))
        #expect(!engine.hasEnded(within: 0))
        #expect(try FileTree.names(in: "/proc/\(pid)/task").count > 1)

        #expect(kill(holder, SIGKILL) == 0)
        #expect(engine.hasEnded(within: 5000))
    }

    @Test("is tied to the thread that started it, which is why that thread waits for it")
    func threadEnds() async throws {
        let (host, guest) = try Descriptor.socketPair()
        let probe = try await withCheckedThrowingContinuation { continuation in
            do {
                try DedicatedThread.start {
                    continuation.resume(with: Result { try Probe(["wait"], passing: guest) })
                }
            } catch { continuation.resume(throwing: error) }
        }
        #expect(try probe.process.reap() == .signal(SIGKILL))
        _ = host
    }

    /// Runs a program with an output, and `passing` as descriptor 3.
    private func spawn(_ arguments: [String], output: Descriptor, passing: Descriptor) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output.rawValue, 1)
        posix_spawn_file_actions_adddup2(&actions, passing.rawValue, 3)
        let vector = arguments.map { strdup($0) } + [nil]
        defer { for argument in vector { free(argument) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, nil, vector, environ)
        guard result == 0 else { throw SystemError("run", arguments[0], number: result) }
        return pid
    }
}

/// A process that is no child of this one.
private struct PidDescriptor {
    private let descriptor: Descriptor

    init?(_ pid: pid_t) {
        guard let descriptor = try? Descriptor.process(pid) else { return nil }
        self.descriptor = descriptor
    }

    func hasEnded(within milliseconds: Int32) -> Bool {
        var wait = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, milliseconds) == 1
    }
}
