import SandboxState

/// The first message of a connection between two gateways, on which each further one is a packet of IP: who sends them.
enum MemberGreeting {
    /// What it begins with: the version of all this.
    private static let mark = Array("sandpiper network 1\n".utf8)

    /// The greeting of a sandbox.
    static func message(from id: SandboxID) -> [UInt8] { mark + Array(id.description.utf8) }

    /// Who greets; `nil` when it is no greeting.
    static func sender(_ message: UnsafeRawBufferPointer) -> SandboxID? {
        guard message.starts(with: mark) else { return nil }
        return SandboxID(String(decoding: message.dropFirst(mark.count), as: UTF8.self))
    }
}
