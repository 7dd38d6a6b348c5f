import AgentProtocol
import Glibc

@testable import AgentCore

// Starts the agent's file service as the agent does, from a process that has one thread, on this process's own streams.
// Exits as the service does.
do {
    let streams = try (0...2).map { number in
        Descriptor(try AgentError.check("duplicate a stream") { fcntl(number, F_DUPFD_CLOEXEC, 3) })
    }
    let start = ChildStart(
        arguments: [], environment: ProcessEnvironment(), directory: "/", makesDirectory: false,
        identity: .init(user: geteuid(), group: getegid(), supplementaryGroups: [], home: "/"),
        limits: [], streams: (streams[0], streams[1], streams[2]), isTerminal: false, controlGroup: nil, builtin: .files
    )
    let (pid, report) = try start.fork()
    var ready = pollfd(fd: report.pipe.number, events: Int16(POLLIN), revents: 0)
    poll(&ready, 1, -1)
    guard report.failure() == nil else { exit(99) }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    if case .code(let code) = Reaper.cause(of: status) { exit(Int32(code)) }
    exit(98)
} catch {
    logLine("\(error)")
    exit(97)
}
