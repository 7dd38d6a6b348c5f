import Glibc
import LinuxSystem

/// Where it stands through which proxy a sandbox's connections go: a record has this, and with it no password.
public enum ProxyReference: Hashable, Sendable {
    /// It is this URL, without a password.
    case url(String)
    /// Its URL is in this file, an absolute path.
    case file(String)
    /// Its URL is in this environment variable of whoever starts the sandbox.
    case variable(String)

    /// Most bytes of a URL: less than every pipe holds.
    public static let longest = 4000

    /// Reads a URL as ``UpstreamProxy`` does, `@FILE`, or the name of an environment variable, such as `HTTPS_PROXY`.
    /// - Throws: ``StateError/badProxy(_:reason:)``.
    public init(_ text: String) throws(StateError) {
        if text.hasPrefix("@") {
            self = .file(try Self.absolute(String(text.dropFirst())))
        } else if text.contains("://") {
            // It would stand in the sandbox's record, and in the list of processes.
            guard try UpstreamProxy(text).credentials?.password.isEmpty != false else {
                throw .badProxy(
                    "…",
                    reason: "a password on a command line can be read by others; keep the URL in a file or an "
                        + "environment variable, and write @FILE or the variable's name")
            }
            guard text.utf8.count <= Self.longest else { throw .badProxy("…", reason: "it is too long") }
            self = .url(text)
        } else if EnvironmentVariable.isName(text, longest: 255) {
            self = .variable(text)
        } else {
            throw .badProxy(
                text, reason: "write http://HOST:PORT, socks5://HOST:PORT, @FILE, or an environment variable")
        }
    }

    /// The URL, as it is written there now, and one of a proxy. Blocks.
    /// - Throws: ``StateError/badProxy(_:reason:)``.
    public func url() throws(StateError) -> String {
        let text: String
        switch self {
        case .url(let url): return url
        case .file(let path):
            do { text = String(decoding: try FileTree.read(path, limit: Self.longest), as: UTF8.self) } catch {
                throw .badProxy(description, reason: "\(error)")
            }
        case .variable(let name):
            guard let value = getenv(name), value.pointee != 0 else {
                throw .badProxy(description, reason: "there is no such environment variable; set it, or write @FILE")
            }
            guard strnlen(value, Self.longest + 1) <= Self.longest else {
                throw .badProxy(description, reason: "it has more than \(Self.longest) bytes")
            }
            text = String(cString: value)
        }
        let url = Self.trimmed(text)
        _ = try UpstreamProxy(url, named: description)
        return url
    }

    private static func trimmed(_ text: String) -> String {
        let bytes = text.utf8.drop { $0 <= 0x20 }
        let end = bytes.lastIndex { $0 > 0x20 }.map { bytes.index(after: $0) } ?? bytes.startIndex
        return String(text[bytes.startIndex..<end])
    }

    private static func absolute(_ path: String) throws(StateError) -> String {
        if path.hasPrefix("/") { return path }
        guard !path.isEmpty, let folder = getcwd(nil, 0) else {
            throw .badProxy("@\(path)", reason: "write the path of a file after the @")
        }
        defer { free(folder) }
        return "\(String(cString: folder))/\(path)"
    }
}

extension ProxyReference: CustomStringConvertible {
    /// As it is written.
    public var description: String {
        switch self {
        case .url(let url): url
        case .file(let path): "@\(path)"
        case .variable(let name): name
        }
    }
}

extension ProxyReference: Codable {
    /// Reads it as it is written.
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    /// Writes it as it is written.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
