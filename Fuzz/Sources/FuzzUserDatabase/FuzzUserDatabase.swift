/// Looks a user up in an image's passwd and group files. The input is what is looked up, passwd and group, parted by bytes
/// of all ones.
@c(LLVMFuzzerTestOneInput)
public func fuzzUserDatabase(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let parts = UnsafeBufferPointer(start: bytes, count: count)
        .split(separator: 0xff, maxSplits: 2, omittingEmptySubsequences: false).map { Array($0) }
    guard parts.count == 3 else { return -1 }
    let database = UserDatabase(passwd: parts[1], group: parts[2])
    guard let identity = try? database.identity(for: String(decoding: parts[0], as: UTF8.self)) else { return 0 }
    let groups = identity.supplementaryGroups
    precondition(identity.user != .max && !groups.contains(.max), "a number that the kernel takes for \"unchanged\"")
    precondition(groups.contains(identity.group), "the primary group is not among all groups")
    precondition(Set(groups).count == groups.count, "a group twice")
    precondition(identity.home.hasPrefix("/") && !identity.home.utf8.contains(0), "an impossible home")
    return 0
}
