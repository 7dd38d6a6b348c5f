import LinuxSystem
import OCI

/// The settings of registries, `$SANDPIPER_HOME/registries.json`:
///
///     {"registries": {"docker.io": {"mirrors": ["https://mirror.example"], "caCertificate": "/path.pem",
///                                   "insecure": false}}}
///
/// Names are written as in references: `docker.io`, `ghcr.io`, `localhost:5000`. A mirror's own settings stand under
/// the mirror's name.
struct RegistryConfiguration: Sendable {
    /// What is set for one registry.
    struct Settings: Sendable {
        /// Where pulls look first, in this order.
        var mirrors: [WebAddress] = []
        /// A file of PEM certificates that are trusted beside the system's.
        var caCertificate: String?
        /// Whether the registry may be reached without checking its certificate, and by plain HTTP.
        var insecure = false
    }

    private let registries: [String: Settings]

    /// What is set for a registry; the defaults when nothing is.
    func settings(for registry: String) -> Settings { registries[DockerConfiguration.key(registry)] ?? Settings() }

    /// Reads the file; a missing one sets nothing.
    /// - Throws: ``RegistryError/configuration(path:reason:)``.
    init(path: String) throws(RegistryError) {
        let bytes: [UInt8]
        do { bytes = try FileTree.read(path, limit: BoundedJSON.maximumSize) } catch {
            guard error.isMissingFile else { throw .system(error) }
            bytes = Array(#"{"registries": {}}"#.utf8)
        }
        try self.init(decoding: bytes, path: path)
    }

    /// Reads the file's bytes.
    init(decoding bytes: [UInt8], path: String) throws(RegistryError) {
        do {
            let written = try BoundedJSON.decode(Written.self, from: bytes, document: "settings")
            var registries: [String: Settings] = [:]
            for (name, value) in written.registries {
                let mirrors = try (value.mirrors ?? []).map { text throws(RegistryError) in
                    guard let address = WebAddress(text), !address.target.contains("?") else {
                        throw .configuration(
                            path: path, reason: "mirror \"\(text)\" of \(name) is no URL; write https://HOST[:PORT]")
                    }
                    return address
                }
                if let file = value.caCertificate, !file.hasPrefix("/") {
                    throw RegistryError.configuration(
                        path: path, reason: "caCertificate of \(name) must be an absolute path")
                }
                registries[DockerConfiguration.key(name)] = Settings(
                    mirrors: mirrors, caCertificate: value.caCertificate, insecure: value.insecure ?? false)
            }
            self.registries = registries
        } catch let error as RegistryError {
            throw error
        } catch { throw .configuration(path: path, reason: "\(error)") }
    }
}

extension SystemError {
    /// Whether there is no file of this name.
    var isMissingFile: Bool { number == 2 || number == 20 }
}

/// The file as it is written. A key that is not known is refused: it would be a setting that has no effect.
private struct Written: Decodable {
    var registries: [String: Registry]

    private enum CodingKeys: String, CodingKey, CaseIterable { case registries }

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(except: CodingKeys.allCases.map(\.rawValue))
        registries = try decoder.container(keyedBy: CodingKeys.self).decode(
            [String: Registry].self, forKey: .registries)
    }

    struct Registry: Decodable {
        var mirrors: [String]?
        var caCertificate: String?
        var insecure: Bool?

        private enum CodingKeys: String, CodingKey, CaseIterable { case mirrors, caCertificate, insecure }

        init(from decoder: any Decoder) throws {
            try decoder.refuseKeys(except: CodingKeys.allCases.map(\.rawValue))
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            mirrors = try fields.decodeIfPresent([String].self, forKey: .mirrors)
            caCertificate = try fields.decodeIfPresent(String.self, forKey: .caCertificate)
            insecure = try fields.decodeIfPresent(Bool.self, forKey: .insecure)
        }
    }
}

private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Decoder {
    fileprivate func refuseKeys(except known: [String]) throws {
        let keys = try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).sorted()
        guard let unknown = keys.first(where: { !known.contains($0) }) else { return }
        let list = known.joined(separator: ", ")
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: codingPath + [AnyKey(stringValue: unknown)].compactMap(\.self),
                debugDescription: "an unknown key (known are \(list))"))
    }
}
