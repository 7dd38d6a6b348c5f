#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import OCI

/// What a `config.json` of Docker, or a file in its format, says about credentials (docker-login(1),
/// containers-auth.json(5)). All else in it is left aside.
public struct DockerConfiguration: Sendable {
    /// Credentials by registry or repository, in the form of ``key(_:)``.
    private var entries: [String: Entry] = [:]
    /// Helpers by registry, in the form of ``key(_:)``.
    private var helpers: [String: String] = [:]
    /// The helper for all registries.
    private let store: String?

    private enum Entry: Sendable {
        case credential(Credential)
        /// Something is there, but it is no credential.
        case invalid(reason: String)
    }

    /// Reads a file's bytes.
    /// - Parameter path: the file's name, for messages.
    /// - Throws: ``RegistryError/configuration(path:reason:)`` when the file as a whole cannot be used. An entry that
    ///   cannot is told when it is looked up, so that it is no harm to other registries.
    public init(decoding bytes: [UInt8], path: String) throws(RegistryError) {
        let written: Written
        do { written = try BoundedJSON.decode(Written.self, from: bytes, document: "credentials") } catch {
            throw .configuration(path: path, reason: "\(error)")
        }
        // Several spellings of one registry: the last in alphabetical order counts, each time the same.
        for (name, value) in (written.auths ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let entry = Self.entry(value) { entries[Self.key(name)] = entry }
        }
        for (name, helper) in (written.credHelpers ?? [:]).sorted(by: { $0.key < $1.key }) where !helper.isEmpty {
            helpers[Self.key(name)] = helper
        }
        store = written.credsStore.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The name of the helper that keeps a registry's credentials, if one does.
    public func helper(registry: String) -> String? { helpers[Self.key(registry)] ?? store }

    /// The credential that is written in the file for a repository: that of the longest part of its name that has one.
    /// - Parameter path: the repository's path; empty for the registry itself.
    /// - Returns: `nil` when there is none.
    /// - Throws: a reason when there is one that cannot be used.
    public func credential(registry: String, path: String) throws(InvalidEntry) -> Credential? {
        let host = Self.key(registry)
        var components = path.split(separator: "/")
        while true {
            switch entries[([host] + components.map(String.init)).joined(separator: "/")] {
            case .credential(let credential): return credential
            case .invalid(let reason): throw InvalidEntry(reason: reason)
            case nil: if components.popLast() == nil { return nil }
            }
        }
    }

    /// An entry that is no credential, and why. The reason holds nothing of it.
    public struct InvalidEntry: Error {
        /// Why, in a few words.
        public let reason: String
    }

    /// One form for all spellings of a registry or repository: `https://host/v1/`, `host/v2`, `host`, `host:5000`,
    /// `host/path`. Docker Hub has the name `docker.io`.
    static func key(_ name: String) -> String {
        var rest = name[...]
        let scheme = ["https://", "http://"].first { rest.hasPrefix($0) }
        if let scheme { rest = rest.dropFirst(scheme.count) }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard let host = parts.first else { return "" }
        // Docker writes a URL for the registry as a whole, whatever its path.
        let isWhole = scheme != nil || (parts.count == 2 && ["v1", "v2"].contains(parts.last))
        let isHub = ["index.docker.io", "registry-1.docker.io", "docker.io"].contains(host.lowercased())
        parts[parts.startIndex] = isHub ? "docker.io" : host.lowercased()
        return isWhole ? parts.prefix(1).joined() : parts.joined(separator: "/")
    }

    private static func entry(_ written: Written.Authorization) -> Entry? {
        func filled(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
        if let token = filled(written.registrytoken) { return .credential(.registryToken(token)) }
        if let token = filled(written.identitytoken) { return .credential(.identityToken(token)) }
        if let encoded = filled(written.auth) {
            guard let data = Data(base64Encoded: encoded) else { return .invalid(reason: "its auth is not base64") }
            // Docker pads what it encodes with zero bytes.
            let text = String(decoding: data, as: UTF8.self).filter { $0 != "\0" }
            guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else {
                return .invalid(reason: "its auth does not hold USER:PASSWORD")
            }
            return .credential(
                .password(username: String(text[..<colon]), password: String(text[text.index(after: colon)...])))
        }
        guard let username = filled(written.username) else { return nil }
        return .credential(.password(username: username, password: written.password ?? ""))
    }
}

/// The file as it is written.
private struct Written: Decodable {
    var auths: [String: Authorization]?
    var credHelpers: [String: String]?
    var credsStore: String?

    struct Authorization: Decodable {
        var auth, username, password, identitytoken, registrytoken: String?
    }
}
