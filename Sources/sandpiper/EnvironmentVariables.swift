import Glibc
import LinuxSystem

/// `NAME=VALUE` pairs as `-e` and `--env-file` give them, with Docker's meaning.
enum EnvironmentVariables {
    /// A pair from `-e`: `NAME=VALUE`, or `NAME` for the value in the environment of the command (`nil` when it has none).
    static func pair(_ text: String, in environment: (String) -> String? = hostVariable) throws -> String? {
        let name = text.prefix { $0 != "=" }
        guard !name.isEmpty, !name.contains(where: \.isWhitespace), !text.contains("\0") else {
            throw Failure("'\(text)' is not an environment variable; write NAME=VALUE, or NAME to pass on your own")
        }
        if name.count < text.count { return text }
        return environment(text).map { "\(text)=\($0)" }
    }

    /// The pairs of a file: one a line, empty lines and lines that start with `#` left out.
    static func file(_ path: String, in environment: (String) -> String? = hostVariable) throws -> [String] {
        let text = String(decoding: try FileTree.read(path, limit: 1 << 20), as: UTF8.self)
        return try text.split(whereSeparator: \.isNewline).compactMap { line in
            let line = line.drop(while: \.isWhitespace)
            return line.isEmpty || line.hasPrefix("#") ? nil : try pair(String(line), in: environment)
        }
    }

    private static func hostVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
