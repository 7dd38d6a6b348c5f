import Glibc

/// Whose a file is for the guest, and for the host.
///
/// Files of one user of the host, usually the one who runs Sandpiper, are those of one user of the guest, usually root. Of
/// others the guest sees their numbers when root serves, which can make files theirs; else it sees `nobody`.
struct OwnerMap {
    static let nobody: UInt32 = 65_534
    /// The number that chown(2) takes for "as it is".
    static let unchanged = UInt32.max

    let hostUser: UInt32
    let hostGroup: UInt32
    let guestUser: UInt32
    let guestGroup: UInt32
    /// Whether files can be given to anybody.
    let servesAsRoot: Bool

    init(_ options: MountOptions, servesAsRoot: Bool) {
        hostUser = options.hostUser
        hostGroup = options.hostGroup
        guestUser = options.guestUser
        guestGroup = options.guestGroup
        self.servesAsRoot = servesAsRoot
    }

    func guestUser(of user: UInt32) -> UInt32 {
        user == hostUser ? guestUser : servesAsRoot ? user : Self.nobody
    }

    func guestGroup(of group: UInt32) -> UInt32 {
        group == hostGroup ? guestGroup : servesAsRoot ? group : Self.nobody
    }

    /// - Throws: `EPERM` when a file cannot be that user's.
    func hostUser(of user: UInt32) throws(ErrorNumber) -> UInt32 {
        if user == guestUser { return hostUser }
        guard servesAsRoot else { throw ErrorNumber(EPERM) }
        return user
    }

    /// - Throws: `EPERM` when a file cannot be that group's.
    func hostGroup(of group: UInt32) throws(ErrorNumber) -> UInt32 {
        if group == guestGroup { return hostGroup }
        guard servesAsRoot else { throw ErrorNumber(EPERM) }
        return group
    }
}
