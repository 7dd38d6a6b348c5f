import Control
import Glibc
import LinuxSystem
import NIOPosix
import SandboxState
import Supervisor
import Synchronization

/// `sandpiper-supervisor ID`: owns one sandbox. Started by a client, which hands it the descriptors of
/// ``InheritedDescriptor``; goes on without it unless the sandbox is to end with its client.
@main
struct SandpiperSupervisor {
    static func main() {
        StandardStreams.fillGaps()
        switch CommandLine.arguments.dropFirst().first {
        case "doctor":
            do { exit(try Doctor.run(Array(CommandLine.arguments.dropFirst(2)))) } catch { fail("\(error)") }
        case "template": wait { await TemplateCommand.run(Array(CommandLine.arguments.dropFirst(2))) }
        default:
            signal(SIGPIPE, SIG_IGN)
            // Before there are other threads, which inherit that the signals are blocked.
            guard let signals = try? SignalDescriptor([SIGTERM, SIGINT, SIGHUP]) else {
                fail("signals cannot be received")
            }
            wait { await supervise(signals) }
        }
    }

    /// Blocks the main thread until a task has ended. An asynchronous `main` would end that thread instead, for which a
    /// static executable sorts its whole unwind table: 40 ms of a processor.
    private static func wait(for body: @escaping @Sendable () async -> Void) {
        let hasEnded = Monitor(false)
        Task {
            await body()
            hasEnded.change { $0 = true }
        }
        hasEnded.wait { $0 ? () : nil }
    }

    private static func supervise(_ signals: SignalDescriptor) async {
        guard CommandLine.arguments.count == 2, let id = SandboxID(CommandLine.arguments[1]) else {
            fail("usage: sandpiper-supervisor ID (started by sandpiper, not by hand)")
        }
        let control = adopt(InheritedDescriptor.control)
        let lock = adopt(InheritedDescriptor.lock)
        var secrets: Descriptor? = adopt(InheritedDescriptor.secrets)
        let proxy = adopt(InheritedDescriptor.proxy)
        let terminal = TerminalMode(of: adopt(InheritedDescriptor.terminal))
        do {
            let home = try Home.current()
            let directory = SandboxDirectory(id, in: home)
            let record = try RecordFile.read(SandboxRecord.self, from: directory.record)
            // Whoever reads what the first client prints must not wait for a sandbox that outlives it.
            if !record.endsWithClient {
                let null = try Descriptor(opening: "/dev/null", O_RDWR)
                // It is not closed before it was copied.
                withExtendedLifetime(null) { _ = dup2(null.rawValue, 2) }
            }
            // A socket for each connection of the sandbox.
            OpenFileLimit.raise()
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let url = String(decoding: try proxy.readAll(limit: ProxyReference.longest), as: UTF8.self)
            let supervisor = Supervisor(record, directory, secrets: secrets, proxy: url, in: home, on: group)
            // They are with whoever needs them as soon as this process has no more of them.
            secrets = nil
            let life = Task { await supervisor.run(client: control) }
            let isAsked = Atomic(false)
            try signals.forward { _ in
                // A second signal is from somebody who does not want to wait.
                let isFirst = !isAsked.exchange(true, ordering: .relaxed)
                if isFirst, !record.endsWithClient { Task { await supervisor.stop() } } else { life.cancel() }
            }
            await life.value
            directory.release()
        } catch {
            fail("\(error)")
        }
        terminal?.restoreIfRaw()
        // The lock is held until here: whoever gets it finds nothing to clear up.
        withExtendedLifetime(lock) {}
        exit(0)
    }

    /// Takes over a descriptor that was open at the start, and keeps it from children.
    private static func adopt(_ number: Int32) -> Descriptor {
        guard fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else {
            fail("descriptor \(number) is not open; sandpiper-supervisor is started by sandpiper, not by hand")
        }
        return Descriptor(owning: number)
    }

    private static func fail(_ message: String) -> Never {
        StandardError.print("sandpiper: \(message)")
        exit(125)
    }
}
