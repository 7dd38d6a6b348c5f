import InterceptionProtocol

/// A value that programs of a sandbox may use and never see, by where it is found. What is kept of it is this; the value
/// itself is looked up by whoever starts the sandbox, each time.
public struct SecretReference: Codable, Equatable, Sendable {
    /// Where the value is.
    public enum Source: Codable, Equatable, Sendable {
        /// In an environment variable of the process that starts the sandbox.
        case variable(String)
        /// In a file of the host, without the line end after it; an absolute path.
        case file(String)
    }

    /// The secret as an interceptor is to know it. Its name is also that of the variable in the sandbox which has the
    /// placeholder.
    public var description: SecretDescription
    /// Where its value is.
    public var source: Source

    /// The name.
    public var name: String { description.name }

    /// A secret with a placeholder of its own.
    /// - Parameters:
    ///   - name: of a variable: letters, digits and underscores, at most 128, none of digits first.
    ///   - source: where the value is; `nil` for a variable of the same name.
    ///   - hosts: the only ones that get the value.
    /// - Throws: ``StateError/badSecret(_:reason:)``.
    public init(_ name: String, from source: Source? = nil, hosts: [HostPattern]) throws(StateError) {
        let longestName = 128
        guard EnvironmentVariable.isName(name, longest: longestName) else {
            throw .badSecret(name, reason: "its name is none of a variable: letters, digits and underscores")
        }
        let source = source ?? .variable(name)
        switch source {
        case .variable(let variable):
            guard EnvironmentVariable.isName(variable, longest: longestName) else {
                throw .badSecret(name, reason: "'\(variable)' is no name of a variable; a file is written @FILE")
            }
        case .file(let path):
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw .badSecret(name, reason: "the path of its file is not absolute")
            }
        }
        self.source = source
        // Lower case, since names of hosts may be written in either, and short enough for a label of DNS.
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        var generator = SystemRandomNumberGenerator()
        let random = (0..<26).compactMap { _ in digits.randomElement(using: &generator) }
        description = SecretDescription(
            name: name, placeholder: "sandpiper-secret-\(String(random))", hosts: hosts)
    }

    /// Reads `NAME[=SOURCE]@HOST,…` where SOURCE is `@FILE` or the name of a variable.
    /// - Parameter directory: what relative paths of files are below.
    /// - Throws: ``StateError/badSecret(_:reason:)``.
    public init(parsing text: String, in directory: String) throws(StateError) {
        // A path may have the sign too, a host not.
        guard let at = text.lastIndex(of: "@"), at != text.startIndex else {
            throw .badSecret(text, reason: "write NAME[=SOURCE]@HOST,…, for example API_KEY@api.example.com")
        }
        let front = text[..<at]
        let equals = front.firstIndex(of: "=")
        let name = String(front[..<(equals ?? front.endIndex)])
        var source: Source?
        if let equals {
            let word = front[front.index(after: equals)...]
            if word.hasPrefix("@") {
                let path = word.dropFirst()
                guard !path.isEmpty else { throw .badSecret(name, reason: "the path of its file is empty") }
                source = .file(path.hasPrefix("/") ? String(path) : "\(directory)/\(path)")
            } else {
                source = .variable(String(word))
            }
        }
        var hosts: [HostPattern] = []
        for word in text[text.index(after: at)...].split(separator: ",", omittingEmptySubsequences: false) {
            guard let host = HostPattern(word) else {
                throw .badSecret(
                    name, reason: "'\(word)' is no host: write api.example.com, *.example.com or an address")
            }
            hosts.append(host)
        }
        try self.init(name, from: source, hosts: hosts)
    }
}
