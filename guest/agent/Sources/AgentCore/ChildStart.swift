import AgentProtocol
import CAgent
import Glibc

/// What a new process is made of, with everything looked up and opened.
struct ChildStart {
    var arguments: [String]
    var environment: ProcessEnvironment
    var directory: String
    var makesDirectory: Bool
    var identity: UserDatabase.Identity
    var limits: [ProcessSpecification.ResourceLimit]
    /// What become 0, 1 and 2.
    var streams: (input: Descriptor, output: Descriptor, error: Descriptor)
    var isTerminal: Bool
    var controlGroup: ControlGroups.Leaf?
    var builtin: ProcessSpecification.Builtin?

    /// Forks the child. It goes on by itself; the report says how that went.
    func fork() throws(StartFailure) -> (pid: pid_t, report: StartReport) {
        let report: (reading: Descriptor, writing: Descriptor)
        do throws(AgentError) { report = try Descriptor.pipe() } catch { throw StartFailure(.noResources, "\(error)") }

        let limits = limits.map { agent_limit(resource: UInt32($0.resource), soft: $0.soft, hard: $0.hard) }
        let pid = CStringArray.with(arguments) { arguments in
            CStringArray.with(environment.pairs) { environment in
                (self.environment["PATH"] ?? ProcessEnvironment.standardPath).withCString { path in
                    directory.withCString { directory in
                        identity.supplementaryGroups.withUnsafeBufferPointer { groups in
                            limits.withUnsafeBufferPointer { limits in
                                // All pointers live until the call returns; the child has its own copy of memory.
                                var child = agent_child(
                                    arguments: arguments, environment: environment, search_path: path,
                                    directory: directory, makes_directory: makesDirectory ? 1 : 0,
                                    input: streams.input.number, output: streams.output.number,
                                    error: streams.error.number, is_terminal: isTerminal ? 1 : 0,
                                    user: identity.user, group: identity.group, groups: groups.baseAddress,
                                    group_count: groups.count, limits: limits.baseAddress, limit_count: limits.count,
                                    control_group: controlGroup?.directory.number ?? -1,
                                    builtin: builtin.map(ChildStart.function), report: report.writing.number)
                                return agent_start_child(&child)
                            }
                        }
                    }
                }
            }
        }
        guard pid > 0 else {
            throw StartFailure(.noResources, "cannot start a process: \(AgentError.text(of: -pid))")
        }
        let about = StartReport(
            pipe: report.reading, program: arguments.first ?? "", directory: directory, user: identity.user)
        return (pid, about)
    }

    /// What a builtin is, for C.
    private static func function(of builtin: ProcessSpecification.Builtin) -> @convention(c) () -> Int32 {
        switch builtin {
        case .files: { FileService.serve() }
        // Not a process.
        case .mount: { 1 }
        }
    }
}

/// What a child says before it runs its program: nothing, or why it cannot.
struct StartReport {
    /// Readable when the child has said all: at its end the program runs.
    let pipe: Descriptor
    fileprivate let program: String
    fileprivate let directory: String
    fileprivate let user: UInt32

    /// Reads what the child said.
    /// - Returns: `nil` when the program runs, or ended so early that nothing is known against it.
    func failure() -> StartFailure? {
        var said = agent_report()
        let count = withUnsafeMutableBytes(of: &said) { read(pipe.number, $0.baseAddress, $0.count) }
        guard count == MemoryLayout<agent_report>.size else { return nil }
        return failure(at: agent_stage(UInt32(bitPattern: said.stage)), said.error)
    }

    private func failure(at stage: agent_stage, _ code: Int32) -> StartFailure {
        let why = AgentError.text(of: code)
        let cannotRun = "cannot run \(program)"
        switch (stage, code) {
        case (AGENT_STAGE_DIRECTORY, _):
            return StartFailure(.noSuchDirectory, "cannot enter the working directory \(directory): \(why)")
        case (AGENT_STAGE_LIMITS, _):
            return StartFailure(.badRequest, "cannot set the resource limits: \(why)")
        case (AGENT_STAGE_IDENTITY, _):
            return StartFailure(.noResources, "cannot become user \(user): \(why)")
        case (AGENT_STAGE_SESSION, _):
            return StartFailure(.noResources, "cannot make a session for \(program): \(why)")
        case (AGENT_STAGE_LOOKUP, ENOENT) where !program.utf8.contains(UInt8(ascii: "/")):
            return StartFailure(.notFound, "\(cannotRun): there is no such program in PATH")
        case (AGENT_STAGE_LOOKUP, ENOENT), (AGENT_STAGE_LOOKUP, ENOTDIR):
            return StartFailure(.notFound, "\(cannotRun): \(why)")
        case (AGENT_STAGE_EXECUTE, ENOENT):
            return StartFailure(.notFound, "\(cannotRun): the interpreter or loader it names is not there")
        case (_, EAGAIN), (_, ENOMEM), (_, EMFILE), (_, ENFILE):
            return StartFailure(.noResources, "\(cannotRun): \(why)")
        default:
            return StartFailure(.notExecutable, "\(cannotRun): \(why)")
        }
    }
}

/// C's arrays of strings.
enum CStringArray {
    /// Calls `body` with a NULL-terminated array of the strings, valid during the call.
    static func with<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Result
    ) -> Result {
        var text: [CChar] = []
        var offsets: [Int] = []
        for string in strings {
            offsets.append(text.count)
            text.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
            text.append(0)
        }
        return text.withUnsafeMutableBufferPointer { text in
            var pointers = offsets.map { offset in text.baseAddress.map { $0 + offset } }
            pointers.append(nil)
            return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
        }
    }
}
