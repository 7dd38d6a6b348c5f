import Glibc

/// Why the agent could not do something: one line for the console or the host.
enum AgentError: Error, CustomStringConvertible {
    /// A system call failed: what was attempted, and errno.
    case system(String, Int32)
    /// The configuration or the image makes no sense: what, and why.
    case refused(String)
    /// The other side of the port broke the protocol.
    case hostMisbehaved(String)

    var description: String {
        switch self {
        case .system(let attempt, let code): "cannot \(attempt): \(AgentError.text(of: code))"
        case .refused(let reason): reason
        case .hostMisbehaved(let what): "the host broke the protocol: \(what)"
        }
    }

    /// The system's words for an errno value.
    static func text(of code: Int32) -> String {
        guard let words = strerror(code) else { return "error \(code)" }
        return String(cString: words)
    }

    /// Runs a system call again while a signal interrupts it.
    /// - Returns: what the call returned, 0 or more.
    /// - Throws: ``AgentError/system(_:_:)`` when the call returns a negative number.
    @discardableResult
    static func check<Value: SignedInteger>(
        _ attempt: @autoclosure () -> String, _ call: () -> Value
    ) throws(AgentError) -> Value {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw .system(attempt(), errno) }
        }
    }
}

/// Writes one line to the machine's console.
func logLine(_ text: String) {
    let line = Array("sandpiper-agent: \(text)\n".utf8)
    // Best effort: there is nobody to tell when the console is gone.
    _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}
