import LinuxSystem
import NetworkAddress

/// A sandbox in a private network.
public struct NetworkMember: Codable, Equatable, Sendable {
    /// Its id.
    public let id: String
    /// Its name, if it has one.
    public var name: String?
    /// What its addresses are made of; see ``PrivateSubnet/addresses(of:)``.
    public let number: UInt32
}

/// Who is in a private network; kept as `members.json` in its directory, and written anew whenever it changes.
///
/// A number is taken as long as its sandbox is there. One that was given back is used again as late as possible, so that
/// nobody who remembers an address finds another there soon.
public struct NetworkMembers: Codable, Equatable, Sendable {
    /// All of them, by number.
    public private(set) var all: [NetworkMember] = []
    /// Where the search for a free number goes on.
    private var next: UInt32 = 0

    /// Nobody.
    public init() {}

    /// The member of an id.
    public func member(_ id: String) -> NetworkMember? { all.first { $0.id == id } }

    /// Takes in a sandbox, which keeps its number when it has one.
    /// - Returns: `nil` when no number is free.
    mutating func add(_ id: String, name: String?, numbers: ClosedRange<UInt32>) -> NetworkMember? {
        if let known = member(id) { return known }
        let taken = Set(all.map(\.number))
        guard taken.count < numbers.count else { return nil }
        var number = numbers.contains(next) ? next : numbers.lowerBound
        while taken.contains(number) { number = number == numbers.upperBound ? numbers.lowerBound : number + 1 }
        next = number + 1
        let member = NetworkMember(id: id, name: name, number: number)
        all.insert(member, at: all.firstIndex { $0.number > number } ?? all.count)
        return member
    }

    /// Strikes out who is gone, and notes new names.
    /// - Parameter name: the name of a sandbox, if it has one; `nil` when there is no such sandbox.
    /// - Returns: whether something has changed.
    mutating func renew(_ name: (String) -> String??) -> Bool {
        let old = all
        all = old.compactMap { member in
            guard let name = name(member.id) else { return nil }
            var member = member
            member.name = name
            return member
        }
        return all != old
    }
}

/// A sandbox's place in one private network, as its supervisor is to know it.
public struct NetworkMembership: Sendable {
    /// The network.
    public let network: PrivateNetwork
    /// Its addresses.
    public let subnet: PrivateSubnet
    /// The sandbox in it.
    public let member: NetworkMember

    /// Its addresses there, of IPv4 and of IPv6.
    public var addresses: [IPAddress] { subnet.addresses(of: member.number) }
    /// The same with the lengths of their prefixes, as `10.188.0.2/22`.
    public var interfaceAddresses: [String] {
        zip(addresses, [subnet.v4, subnet.v6]).map { "\($0)/\($1.length)" }
    }
}
