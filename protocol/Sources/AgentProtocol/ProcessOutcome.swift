/// How a process ended.
public struct ExitStatus: Equatable, Sendable {
    /// Its exit code, or the signal that ended it.
    public enum Cause: Equatable, Sendable {
        case code(UInt8)
        case signal(UInt8)
    }

    /// Exit code or signal.
    public var cause: Cause
    /// Whether the agent killed it because its time was over.
    public var timedOut: Bool

    /// Makes a status.
    public init(_ cause: Cause, timedOut: Bool = false) {
        self.cause = cause
        self.timedOut = timedOut
    }

    /// The status a shell would report: the code, 128 plus the signal, or 124 after a time-out.
    public var shellCode: Int32 {
        if timedOut { return 124 }
        switch cause {
        case .code(let code): return Int32(code)
        case .signal(let signal): return 128 + Int32(signal)
        }
    }
}

/// Why a process could not be started.
public struct StartFailure: Error, Equatable, Sendable {
    /// The kinds of failure that a caller may want to tell apart.
    public enum Reason: UInt8, Sendable, CaseIterable {
        /// No such program in `PATH` or at the path.
        case notFound = 1
        /// The program is there and cannot be executed.
        case notExecutable = 2
        /// The user is not in the image's passwd file.
        case noSuchUser = 3
        /// The group is not in the image's group file.
        case noSuchGroup = 4
        /// The working directory is not there or cannot be entered.
        case noSuchDirectory = 5
        /// No process, memory, descriptor or terminal could be had.
        case noResources = 6
        /// The request makes no sense, for example a stream number that is in use.
        case badRequest = 7
    }

    /// What kind of failure.
    public var reason: Reason
    /// What was attempted, on what and why it failed: one line.
    public var detail: String

    /// Makes a failure.
    public init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// The exit status that Docker gives such a failure: 127, 126 or 125.
    public var shellCode: Int32 {
        switch reason {
        case .notFound: 127
        case .notExecutable, .noSuchDirectory: 126
        case .noSuchUser, .noSuchGroup, .noResources, .badRequest: 125
        }
    }
}
