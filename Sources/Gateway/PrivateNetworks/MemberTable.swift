import Glibc
import LinuxSystem
import NetworkAddress
import SandboxState

/// Who is in one of the sandbox's private networks, as the file says that is replaced whenever that changes.
struct MemberTable {
    let membership: NetworkMembership
    /// The sandbox's own addresses, of IPv4 and IPv6.
    let own: [IPAddress]
    private(set) var members: [NetworkMember] = []
    private var byAddress: [IPAddress: NetworkMember] = [:]
    private var version: Version?

    /// What tells one file from the next that takes its place.
    private struct Version: Equatable {
        let inode: UInt64
        let seconds: Int
        let nanoseconds: Int
    }

    init(_ membership: NetworkMembership) {
        self.membership = membership
        own = membership.addresses
        renew()
    }

    var subnet: PrivateSubnet { membership.subnet }
    /// The network's name.
    var name: String { membership.network.name.description }

    /// Reads the file again, if it is another one.
    /// - Returns: whether it is.
    @discardableResult
    mutating func renew() -> Bool {
        var status = stat()
        guard stat(membership.network.membersPath, &status) == 0 else { return false }
        let found = Version(
            inode: UInt64(status.st_ino), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        guard found != version, let all = try? membership.network.members().all else { return false }
        version = found
        members = all
        byAddress = [:]
        for member in all { for address in subnet.addresses(of: member.number) { byAddress[address] = member } }
        return true
    }

    /// Whose address it is.
    func member(at address: IPAddress) -> NetworkMember? { byAddress[address] }

    /// The addresses of the other members.
    var others: [IPAddress] { byAddress.keys.filter { !own.contains($0) } }

    /// The sandbox's own address of the same version as another.
    func own(like address: IPAddress) -> IPAddress? { own.first { $0.isV4 == address.isV4 } }

    /// The names by which members find each other are those of the sandboxes and the beginnings of their ids, with the
    /// network's name behind or without.
    func addresses(named name: DomainName) -> [IPAddress] {
        members.filter { member in
            Self.names(of: member).contains { base in
                name.text == base || name.text == "\(base).\(self.name)"
                    || name.text == "\(base).\(self.name).\(PrivateNetworks.domain)"
            }
        }.flatMap { subnet.addresses(of: $0.number) }
    }

    private static func names(of member: NetworkMember) -> [String] {
        [member.name?.lowercased(), String(member.id.prefix(12)), member.id].compactMap(\.self)
    }
}
