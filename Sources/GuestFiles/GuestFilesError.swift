import FileProtocol
import ForeignText
import LinuxSystem
import TreeArchive

/// Why something with the files of a sandbox did not work.
public enum GuestFilesError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sandbox could not do it: an errno value of Linux, and what the sandbox says of it.
    case failed(code: Int32, message: String)
    /// What the sandbox sent makes no sense; the session is of no further use.
    case misbehaved(String)
    /// The session is over: why, if that is known.
    case closed(String)
    /// More than so many bytes, which the caller set as the limit.
    case tooLong(limit: Int)
    /// A text that cannot be a path in a sandbox.
    case noPath(String)
    /// A file of the host: what was attempted and why it failed.
    case host(FileCallError)
    /// An archive from the sandbox that is none, or would leave its place: what is wrong with it.
    case archive(String)

    /// One line; foreign text in it is short and without control characters.
    public var description: String {
        switch self {
        case .failed(_, let message): "in the sandbox: \(message.excerpt(500))"
        case .misbehaved(let what): "the sandbox's file server broke the protocol: \(what); start the sandbox again"
        case .closed(let why):
            "the connection to the sandbox's files is closed\(why.isEmpty ? "" : ": \(why.excerpt())")"
        case .tooLong(let limit): "the file is longer than \(limit) bytes; read it in pieces"
        case .noPath(let text): "'\(text.excerpt())' is no path: it is empty, longer than 4095 bytes or holds a NUL"
        case .host(let error): error.description.excerpt(500)
        case .archive(let reason): "copy from the sandbox: \(reason.excerpt(500))"
        }
    }
}

extension GuestPath {
    /// Takes a path from a user.
    /// - Throws: ``GuestFilesError/noPath(_:)`` when it is empty, too long, or holds a NUL.
    public init(checking text: String) throws(GuestFilesError) {
        guard let path = GuestPath(text) else { throw .noPath(text) }
        self = path
    }
}
