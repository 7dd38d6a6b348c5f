import Glibc
import LinuxSystem
import NetworkAddress

/// The name servers that the host asks, as resolv.conf(5) has them at this moment.
struct HostResolver {
    private static let path = "/etc/resolv.conf"
    /// As many as the host's own resolver asks.
    private static let most = 3

    private var known: [Endpoint] = []
    private var identity: [Int] = []

    /// The servers; the file is read when it has changed.
    mutating func servers() -> [Endpoint] {
        var status = stat()
        guard stat(Self.path, &status) == 0 else { return known }
        let found = [
            Int(status.st_ino), Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
        ]
        if found == identity { return known }
        guard let bytes = try? FileTree.read(Self.path, limit: 65_536) else { return known }
        identity = found
        known = Self.servers(in: String(decoding: bytes, as: UTF8.self))
        return known
    }

    /// The servers that a file names; link-local ones, which need an interface, are left out.
    static func servers(in text: String) -> [Endpoint] {
        let addresses = text.split(whereSeparator: \.isNewline).compactMap { line -> IPAddress? in
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count >= 2 && words[0] == "nameserver" ? IPAddress(words[1]) : nil
        }
        return addresses.prefix(most).map { Endpoint($0, NameService.port) }
    }
}
