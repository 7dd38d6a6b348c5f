import NetworkAddress

/// An address with all that it may lead to, judged once for a connection.
struct JudgedAddress {
    typealias Group = NetworkPolicy.Group

    /// Itself, and if it is a form of an IPv4 address (mapped, compatible, NAT64, 6to4) that one too.
    let forms: [IPAddress]
    /// Its kind, which is that of its IPv4 address where it has one.
    let kind: Group
    let isMetadata: Bool
    let isHost: Bool
    let isSandbox: Bool

    init(_ address: IPAddress, in surroundings: NetworkPolicy.Surroundings) {
        let address = address
        var forms = [address]
        if case .v6(let six) = address, let embedded = six.embeddedIPv4 { forms.append(.v4(embedded)) }
        self.forms = forms
        kind = SpecialAddresses.kind(of: address)
        isMetadata = forms.contains { form in SpecialAddresses.metadata.contains { $0.contains(form) } }
        // A socket that is connected to the unspecified address reaches the host's own loopback.
        isHost =
            forms.contains {
                surroundings.hostAddresses.contains($0) || $0 == .v4(IPv4Address(0))
                    || $0 == .v6(IPv6Address(high: 0, low: 0))
            } || kind == .loopback
        isSandbox = forms.contains { surroundings.sandboxAddresses.contains($0) }
    }

    /// The group because of which broad rules do not give it: metadata, or the host.
    var guardedBy: Group? { isMetadata ? .metadata : isHost && kind != .loopback ? .host : nil }

    /// The group because of which a name may not lead to it; `nil` for one of the internet.
    var hiddenFromNames: Group? {
        isMetadata ? .metadata : isHost ? .host : isSandbox ? .sandboxes : kind == .public ? nil : kind
    }

    /// Whether a group has it, in whichever of its forms.
    func isIn(_ group: Group) -> Bool {
        switch group {
        case .metadata: isMetadata
        case .host: isHost
        case .sandboxes: isSandbox
        case .public: hiddenFromNames == nil
        default: kind == group || forms.contains { SpecialAddresses.kind(of: $0) == group }
        }
    }

    /// How a target that goes by address has it, for a rule that denies: in any of its forms.
    func isDenied(by target: NetworkPolicy.Target) -> Bool {
        switch target {
        case .any: true
        case .range(let range): forms.contains { range.contains($0) }
        case .group(let group): isIn(group)
        case .name, .below: false
        }
    }

    /// How a target that goes by address has it, for a rule that allows.
    ///
    /// A range of IPv6 gives the forms of IPv4 addresses only when it is one of such forms itself, so that `::/0` is
    /// all of IPv6 and not a way round what was said of IPv4.
    func isAllowed(by target: NetworkPolicy.Target) -> Permission {
        let has: Bool
        switch target {
        case .any: return .yes
        case .group(let group): has = isIn(group)
        case .range(let range):
            has = forms.contains { form in
                guard range.contains(form) else { return false }
                guard case .v6(let six) = form, six.embeddedIPv4 != nil else { return true }
                return range.length >= six.lengthOfForm
            }
            if has, range.length == range.base.width { return .yes }
        case .name, .below: return .no
        }
        guard has else { return .no }
        guard let guardedBy, target != .group(guardedBy) else { return .yes }
        return .guarded(guardedBy)
    }

    enum Permission: Equatable {
        case yes, no
        /// The target has it, but only the group that is named, or the address by itself, gives it.
        case guarded(Group)
    }
}

extension IPv6Address {
    /// How many bits say which form of an IPv4 address this is, for one that is.
    fileprivate var lengthOfForm: Int { high >> 48 == 0x2002 ? 16 : high >> 16 == 0x0064_FF9B_0001 ? 48 : 96 }
}
