import ControlClient
import ImageStore
import LinuxSystem
import SandboxState

/// An error whose description is one or two lines for the user.
protocol FailureMessage: Error, CustomStringConvertible {}

extension StateError: FailureMessage {}
extension SystemError: FailureMessage {}
extension ImageStoreError: FailureMessage {}
extension ControlError: FailureMessage {}

/// A failure of the command line's own.
struct Failure: FailureMessage {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Ends the command with this status and nothing more to say.
struct ExitStatusError: Error {
    let code: Int32
}

/// Prints one or two lines on stderr.
func complain(_ message: String) { StandardError.print("sandpiper: \(message)") }
