import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// How a sandbox or a job came to its end, for `wait`.
struct KnownEnd: Equatable {
    /// What is printed: the exit status, or why there is none.
    let text: String
    /// What becomes the status of the command.
    let status: Int32

    /// The end of a sandbox.
    /// - Parameters:
    ///   - life: what its files say; `nil` when it removed itself.
    ///   - main: the last that was seen of its main process.
    init(_ life: SandboxLife?, main: JobRecord?) {
        if let status = life?.exitStatus ?? (life == nil ? main?.exitStatus : nil) {
            (text, self.status) = ("\(status)", status)
        } else {
            let word = life?.status.rawValue ?? "removed"
            text = word + (life?.reason.map { ": " + $0 } ?? "")
            status = life?.status == .crashed ? 125 : 0
        }
    }

    /// The end of a job; of one without a status its machine was the end.
    init(_ job: JobRecord?) {
        text = job?.exitStatus.map { "\($0)" } ?? job?.reason ?? "its machine ended"
        status = job?.exitStatus ?? 125
    }
}

/// Waits for the end of a sandbox, or of one of its jobs, without being a client of it.
struct EndWait {
    private let directory: SandboxDirectory
    private let changes: InotifyDescriptor
    private var supervisor: Descriptor?

    init(_ directory: SandboxDirectory) throws(SystemError) {
        self.directory = directory
        changes = try InotifyDescriptor()
    }

    /// Waits until the sandbox has no supervisor any more.
    mutating func sandbox() throws -> KnownEnd {
        let program = try RecordFile.read(SandboxRecord.self, from: directory.record).main?.arguments
        var main: JobRecord?
        while true {
            changes.clear()
            watchFiles(job: main?.number)
            if let program, let job = JobDirectory.all(directory.jobs).last(where: { $0.command == program }) {
                // Of one that is new to us the next change was not watched for.
                let isNew = job.number != main?.number
                main = job
                if isNew { continue }
            }
            if try !waitForChange() { break }
        }
        return KnownEnd(FileTree.exists(directory.record) ? directory.currentLife() : nil, main: main)
    }

    /// Waits until a job has ended.
    mutating func job(_ number: Int) throws -> KnownEnd {
        let path = "\(directory.job(number))/\(JobDirectory.recordName)"
        guard FileTree.exists(path) else { throw Failure("sandbox \(directory.id) has no job \(number)") }
        var last: JobRecord?
        var goesOn = true
        while true {
            changes.clear()
            watchFiles(job: number)
            if let record = try? RecordFile.read(JobRecord.self, from: path) { last = record }
            if last?.ended != nil || !goesOn { return KnownEnd(last) }
            goesOn = try waitForChange()
        }
    }

    /// Has changes of the files told that say how far sandbox and job are. What is not there needs no watching: it comes
    /// to be in a directory that is watched.
    private func watchFiles(job: Int?) {
        let places =
            [directory.path, directory.socketDirectory, directory.jobs] + (job.map { [directory.job($0)] } ?? [])
        for path in places { try? changes.watch(path, [.names, .removal]) }
    }

    /// Waits until a file has changed; `false` when the supervisor has ended, or there is none. A paused sandbox has not come to
    /// its end.
    private mutating func waitForChange() throws -> Bool {
        supervisor = supervisor ?? SandboxWatch(directory)?.supervisor
        // One that is just coming up has not left its number yet, and one that is about to end has taken it away. Both
        // change files that are watched.
        guard supervisor != nil || directory.isOwned || isPaused else { return false }
        var descriptors = [
            pollfd(fd: supervisor?.rawValue ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: changes.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&descriptors, 2, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the sandbox") }
        if descriptors[0].revents == 0 { return true }
        supervisor = nil
        return isPaused
    }

    private var isPaused: Bool { directory.currentLife().status == .paused }
}
