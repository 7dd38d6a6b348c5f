import Engine
import LinuxSystem

/// Why a template cannot be had.
public enum TemplateError: Error, Sendable, CustomStringConvertible {
    /// A file could not be read or written.
    case system(SystemError)
    /// The engine did not do its part.
    case engine(EngineError)
    /// The machine that was to be frozen did not come up.
    case notReady(reason: String, console: String)
    /// There is no template of this name.
    case noSuchTemplate(String)
    /// Whoever asked does not wait any more.
    case cancelled

    /// What was attempted, why it failed and what to do, in one line and the guest's last words.
    public var description: String {
        switch self {
        case .system(let error): "cannot make a template: \(error)"
        case .engine(let error): "cannot make a template: \(error)"
        case .notReady(let reason, let console):
            "cannot make a template: \(reason)" + (console.isEmpty ? "" : "; the console's last lines:\n\(console)")
        case .noSuchTemplate(let name): "there is no template '\(name)'; see 'sandpiper template ls'"
        case .cancelled: "the making of a template was given up"
        }
    }

    /// Runs `body`; its errors become this module's.
    static func wrap<Value>(_ body: () throws -> Value) throws(TemplateError) -> Value {
        do { return try body() } catch { throw TemplateError(error) }
    }

    init(_ error: any Error) {
        self =
            switch error {
            case let error as TemplateError: error
            case let error as EngineError: .engine(error)
            case let error as SystemError: .system(error)
            default: .notReady(reason: "\(error)", console: "")
            }
    }
}
