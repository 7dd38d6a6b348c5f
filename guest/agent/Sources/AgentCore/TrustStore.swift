import AgentProtocol
import CAgent
import Glibc

/// Has the sandbox's programs trust one more certificate authority: adds it to the bundles that distributions have, and to
/// what these are made from.
///
/// What is mounted from elsewhere is left alone. A bundle that cannot be changed is passed over: programs are told by
/// variables which one to read instead.
struct TrustStore {
    /// The longest bundle that is looked at, in bytes.
    private static let longestBundle = 8 << 20

    let trust: MachineConfiguration.Trust
    let root: RootDirectory

    /// Carries it out; nothing is done twice.
    func install() throws(AgentError) {
        var own: [UInt8]?
        for path in trust.bundles {
            guard let bundle = try root.contents(of: path, upTo: Self.longestBundle) else { continue }
            let added = addition(to: bundle)
            if !added.isEmpty { try? append(added, to: path) }
            if own == nil { own = bundle + added }
        }
        for path in trust.sourceDirectories {
            guard let directory = try? root.open(path, O_PATH | O_DIRECTORY, staysOnMount: true) else { continue }
            try? root.replaceFile("sandpiper.crt", in: directory, at: path, with: trust.certificate)
        }
        try write(Array(trust.certificate.utf8), to: trust.certificatePath)
        let fallback = Array(trust.fallbackBundle.utf8)
        try write(own ?? fallback + addition(to: fallback), to: trust.bundlePath)
    }

    /// The certificate as it goes after a bundle; empty when that has it.
    private func addition(to bundle: [UInt8]) -> [UInt8] {
        let certificate = Array(trust.certificate.utf8)
        if bundle.holds(certificate) { return [] }
        return (bundle.isEmpty || bundle.last == UInt8(ascii: "\n") ? [] : [UInt8(ascii: "\n")]) + certificate
    }

    private func append(_ bytes: [UInt8], to path: String) throws(AgentError) {
        let file = try root.open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, staysOnMount: true)
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .refused("\(path) is no regular file")
        }
        try file.writeAll(bytes, to: path)
    }

    private func write(_ bytes: [UInt8], to path: String) throws(AgentError) {
        guard path.hasPrefix("/"), let slash = path.lastIndex(of: "/") else {
            throw .refused("the path \(path) is not absolute")
        }
        let parent = String(path[..<slash])
        let directory = try root.makeDirectories(parent, staysOnMount: true)
        try root.replaceFile(String(path[path.index(after: slash)...]), in: directory, at: parent, with: bytes)
    }
}

extension [UInt8] {
    /// Whether `other` is part of these bytes.
    fileprivate func holds(_ other: [UInt8]) -> Bool {
        guard !other.isEmpty, other.count <= count else { return false }
        return withUnsafeBytes { own in
            other.withUnsafeBytes { agent_has_bytes(own.baseAddress, own.count, $0.baseAddress, $0.count) != 0 }
        }
    }
}
