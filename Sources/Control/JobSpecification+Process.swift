import AgentProtocol
import SandboxState

extension JobSpecification {
    /// What the agent is asked to start.
    /// - Parameter size: of the terminal, when it has one.
    public func process(size: TerminalSize = TerminalSize(rows: 24, columns: 80)) -> ProcessSpecification {
        ProcessSpecification(
            arguments: arguments, environment: environment, workingDirectory: workingDirectory,
            makesWorkingDirectory: true, user: user, terminal: terminal ? size : nil, takesInput: takesInput,
            timeout: timeout)
    }
}
