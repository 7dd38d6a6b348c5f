import ArgumentParser
import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper pause`: freezes sandboxes.
struct Pause: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Freeze sandboxes: memory and processes go to the disk, the machines end.",
        discussion: """
            'sandpiper resume' lets them go on as if nothing had happened, after a restart of the host too. Commands that \
            are connected wait meanwhile. What cannot be frozen goes on.
            """)

    @Flag(help: "Only stop the processors: the memory stays in use, and the sandbox must not survive anything.")
    var keepMemory = false
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        try forEach(sandboxes, in: home) { directory in
            let watch = SandboxWatch(directory)
            let connection = try ControlConnection(to: directory)
            _ = try connection.request(.pause(keepsMemory: keepMemory))
            // Its supervisor stays only for those who wait for processes.
            if directory.currentLife().supervisor == nil { try watch?.waitForEnd() }
            print(directory.id)
        }
    }
}

/// `sandpiper resume`: lets paused sandboxes go on.
struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let paused sandboxes go on where they were.")

    @Flag(help: "Print when each stage was reached.") var timings = false
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        let time = HostClock.monotonic
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP])
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let installation = try Installation()
        try forEach(sandboxes, in: home) { directory in
            guard directory.currentLife().status == .paused else {
                throw Failure("sandbox \(directory.id) is not paused, but \(directory.currentLife().status.rawValue)")
            }
            if directory.isOwned {
                _ = try ControlConnection(to: directory).request(.resume)
            } else {
                var timings = timings ? Timings(from: time) : nil
                let supervisor = try SupervisorProcess(starting: directory, installation)
                try ReadyWait(supervisor, signals).run(&timings)
                timings?.print()
            }
            print(directory.id)
        }
    }
}
