import ForeignText
import Yams

/// Why a file is no policy.
public struct PolicyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line that is to be changed, from 1, when one is.
    public let line: Int?
    /// What is wrong and what to write, in one line without the place.
    public let message: String

    init(_ message: String, line: Int? = nil) {
        self.line = line
        self.message = message
    }

    init(_ message: String, at node: Node) { self.init(message, line: node.mark?.line) }

    /// What the parser of YAML says.
    init(_ error: any Error, in text: String) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _)?, .parser(_, let problem, let mark, _)?,
            .composer(_, let problem, let mark, _)?:
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let isBracket = lines.indices.contains(mark.line - 1) && lines[mark.line - 1].contains("]:")
            let hint = isBracket ? "; a target that begins with '[' stands in quotes" : ""
            self.init("this is no YAML: \(problem.excerpt())\(hint)", line: mark.line)
        case .duplicatedKeysInMapping(let names, let context)?:
            self.init("the key '\((names.first ?? "").excerpt(80))' is there twice", line: context.mark.line)
        case .reader(let problem, _, _, _)?: self.init("this is no YAML: \(problem.excerpt())")
        default: self.init("this is no YAML")
        }
    }

    /// One line, with the place.
    public var description: String { line.map { "line \($0): \(message)" } ?? message }
}
