import LinuxSystem
import NetworkAddress

/// The names that the host itself keeps: hosts(5).
enum HostsFile {
    private static let path = "/etc/hosts"
    /// What the host calls itself, whatever its file says.
    static let loopback: [IPAddress] = [.v4(IPv4Address(127, 0, 0, 1)), .v6(IPv6Address(high: 0, low: 1))]

    /// The addresses of a name, in the file's order. Blocks for no longer than reading a small file does.
    static func addresses(of name: DomainName) -> [IPAddress] {
        guard let bytes = try? FileTree.read(path, limit: 1 << 20) else { return [] }
        return addresses(of: name, in: String(decoding: bytes, as: UTF8.self))
    }

    static func addresses(of name: DomainName, in text: String) -> [IPAddress] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, words.dropFirst().contains(where: { DomainName($0) == name }) else {
                return nil
            }
            return IPAddress(first)
        }
    }
}
