import ArgumentParser
import ForeignText
import LinuxSystem
import SandboxState

/// `sandpiper wait`: blocks until sandboxes, or a job, have ended.
struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until sandboxes have stopped, or a job has ended.",
        discussion: """
            Prints a line for each: the exit status of its main process or job, or else how it ended. The exit status is \
            the first of these that is not 0; 125 stands for a sandbox that crashed and a job that went with its machine.
            """)

    @Option(help: "Wait for the job with this number.") var job: Int?
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func validate() throws {
        guard job == nil || sandboxes.count == 1 else { throw ValidationError("--job: name one sandbox") }
    }

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let directories = try sandboxes.map { try SandboxDirectory.find($0, in: home) }
        var status: Int32 = 0
        let output = try Descriptor(duplicating: 1)
        for directory in directories {
            var wait = try EndWait(directory)
            let end = if let job { try wait.job(job) } else { try wait.sandbox() }
            try output.write(Array((end.text.excerpt() + "\n").utf8))
            if status == 0 { status = end.status }
        }
        if status != 0 { throw ExitStatusError(code: status) }
    }
}
