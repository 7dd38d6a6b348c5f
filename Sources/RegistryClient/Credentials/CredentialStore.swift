import LinuxSystem
import NIOPosix
import OCI

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The credentials that the user has for registries: Sandpiper's own, then those of Docker's and Podman's configuration.
///
/// The configuration of others is only read, never written. For a registry it asks the helper of `credHelpers`, else that of
/// `credsStore`, and when they know nothing takes what stands in `auths`.
public struct CredentialStore: Sendable {
    private let ownPath: String
    /// In the format of Docker's configuration, by precedence.
    private let otherPaths: [String]
    private let environment: [String: String]
    private let helperTime: Duration

    /// Where to look: `$SANDPIPER_HOME/auth.json`, then `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, then
    /// `$REGISTRY_AUTH_FILE` or `$XDG_RUNTIME_DIR/containers/auth.json`.
    public init(_ options: RegistryOptions) {
        ownPath = options.home + "/auth.json"
        let directory =
            Self.filled(options.environment["DOCKER_CONFIG"])
            ?? Self.filled(options.environment["HOME"]).map { $0 + "/.docker" }
        let podman =
            Self.filled(options.environment["REGISTRY_AUTH_FILE"])
            ?? Self.filled(options.environment["XDG_RUNTIME_DIR"]).map { $0 + "/containers/auth.json" }
        otherPaths = [directory.map { $0 + "/config.json" }, podman].compactMap(\.self)
        environment = options.environment
        helperTime = options.limits.helperTime
    }

    /// The credential for a repository, or for a registry when `path` is empty; `nil` when there is none.
    /// - Throws: ``RegistryError/configuration(path:reason:)``, ``RegistryError/helper(name:reason:)`` or
    ///   ``RegistryError/system(_:)``.
    public func lookup(registry: String, path: String = "") async throws(RegistryError) -> Credential? {
        if let found = try Self.written(in: try await Self.read(ownPath), ownPath, registry, path) { return found }
        for source in otherPaths {
            guard let file = try await Self.read(source) else { continue }
            if let name = file.helper(registry: registry) {
                let helper = CredentialHelper(name: name, environment: environment, time: helperTime)
                // Docker keeps its own registry's credentials under the URL of that registry's first interface.
                let server = DockerConfiguration.key(registry) == "docker.io" ? "https://index.docker.io/v1/" : registry
                if let found = try await helper.get(server: server) { return found }
            }
            if let found = try Self.written(in: file, source, registry, path) { return found }
        }
        return nil
    }

    /// Keeps a user's password for a registry in `$SANDPIPER_HOME/auth.json`, which only its owner can read.
    /// Blocks the calling thread while it waits for other logins.
    /// - Throws: ``RegistryError/configuration(path:reason:)`` when the file is there but cannot be understood, or
    ///   ``RegistryError/system(_:)``.
    public func store(registry: String, username: String, password: String) throws(RegistryError) {
        guard !username.isEmpty, !username.contains(":") else {
            throw .configuration(path: ownPath, reason: "a user name must not be empty or have a colon")
        }
        try change { auths in
            auths[DockerConfiguration.key(registry)] = OwnFile.Entry(
                auth: Data("\(username):\(password)".utf8).base64EncodedString())
        }
    }

    /// Forgets what ``store(registry:username:password:)`` has kept.
    /// - Returns: whether there was something.
    /// - Throws: as ``store(registry:username:password:)`` does.
    @discardableResult
    public func erase(registry: String) throws(RegistryError) -> Bool {
        var found = false
        let key = DockerConfiguration.key(registry)
        try change { auths in
            let names = auths.keys.filter { DockerConfiguration.key($0) == key }
            found = !names.isEmpty
            for name in names { auths[name] = nil }
        }
        return found
    }

    /// Rewrites the own file under its lock, so that two logins at a time both count.
    private func change(_ body: (inout [String: OwnFile.Entry]) -> Void) throws(RegistryError) {
        do {
            let directory = ownPath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            try FileTree.makeDirectory(directory.joined(separator: "/"))
            let lock = try FileLock.wait(ownPath + ".lock")
            defer { withExtendedLifetime(lock) {} }
            var file = OwnFile()
            do {
                file = try BoundedJSON.decode(OwnFile.self, from: try FileTree.read(ownPath), document: "credentials")
            } catch let error as SystemError where error.isMissingFile {}
            body(&file.auths)
            try FileTree.writeAtomically(
                BoundedJSON.encode(file, pretty: true) + [UInt8(ascii: "\n")], to: ownPath, mode: 0o600, durable: true)
        } catch let error as SystemError { throw .system(error) } catch {
            throw .configuration(path: ownPath, reason: "\(error)")
        }
    }

    private static func read(_ path: String) async throws(RegistryError) -> DockerConfiguration? {
        let bytes: [UInt8]
        do {
            bytes = try await NIOThreadPool.singleton.runIfActive {
                try FileTree.read(path, limit: BoundedJSON.maximumSize)
            }
        } catch {
            guard let error = error as? SystemError else { throw .cancelled }
            if error.isMissingFile { return nil }
            throw .system(error)
        }
        return try DockerConfiguration(decoding: bytes, path: path)
    }

    private static func written(
        in file: DockerConfiguration?, _ source: String, _ registry: String, _ path: String
    ) throws(RegistryError) -> Credential? {
        do { return try file?.credential(registry: registry, path: path) } catch {
            throw .configuration(path: source, reason: "the entry of \(registry) cannot be used: \(error.reason)")
        }
    }

    private static func filled(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
}

/// `auth.json` in Docker's format, with passwords only.
private struct OwnFile: Codable {
    var auths: [String: Entry] = [:]

    struct Entry: Codable { var auth: String }
}
