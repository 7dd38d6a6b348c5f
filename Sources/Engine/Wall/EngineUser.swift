import Glibc
import LinuxSystem

/// Chooses the user of an engine that root starts.
enum EngineUser {
    /// A user number of its own for the machine with this number; `nil` where root has only itself to give, as in a
    /// container that maps no other user.
    static func choose(number: UInt32, needsKVM: Bool) -> Jail.User? {
        let map = (try? FileTree.read("/proc/self/uid_map", limit: 1 << 16)) ?? []
        guard let user = choose(number: number, map: String(decoding: map, as: UTF8.self)) else { return nil }
        var status = stat()
        guard needsKVM, stat("/dev/kvm", &status) == 0, status.st_mode & 0o006 != 0o006 else {
            return Jail.User(number: user)
        }
        return Jail.User(number: user, groups: [status.st_gid])
    }

    /// The same for a given content of `uid_map`: lines of first number inside, first outside, count.
    static func choose(number: UInt32, map: String) -> UInt32? {
        let wanted = Walls.firstUser &+ number % 0x0f00_0000
        var largest: ClosedRange<UInt32>?
        for line in map.split(separator: "\n") {
            let fields = line.split(separator: " ").compactMap { UInt32($0) }
            guard fields.count == 3, let first = fields.first, let count = fields.last, count > 0 else { continue }
            let range = first...first.addingReportingOverflow(count - 1).partialValue.clamped(from: first)
            if range.contains(wanted) { return wanted }
            if largest.map({ range.count > $0.count }) ?? true { largest = range }
        }
        // A container's map: the upper half of what it has, where distributions place nobody.
        guard let largest, largest.count > 2000 else { return nil }
        let half = UInt32(largest.count / 2)
        return largest.upperBound - number % half
    }
}

extension UInt32 {
    /// The greatest number where an addition to `first` went past it.
    fileprivate func clamped(from first: UInt32) -> UInt32 { self < first ? .max : self }
}
