/// The image's own passwd and group files, read as hostile input: a line that is not well formed does not exist.
struct UserDatabase {
    /// The largest file that is read, in bytes.
    static let largestFile = 1_048_576
    /// The most supplementary groups a process can have.
    static let mostGroups = 65_536

    private struct User {
        var name: ArraySlice<UInt8>
        var user: UInt32
        var group: UInt32
        var home: ArraySlice<UInt8>
    }

    private struct Group {
        var name: ArraySlice<UInt8>
        var group: UInt32
        var members: ArraySlice<UInt8>
    }

    private let passwd: [UInt8]
    private let group: [UInt8]

    /// Takes the contents of the two files; empty when there is none.
    init(passwd: [UInt8], group: [UInt8]) {
        self.passwd = passwd
        self.group = group
    }

    /// Who a process runs as.
    struct Identity: Equatable {
        var user: UInt32
        var group: UInt32
        /// Includes ``group``, as Docker does, so that giving up the primary group gains nothing.
        var supplementaryGroups: [UInt32]
        var home: String
    }

    /// Why a user specification names nobody.
    enum LookupError: Error, Equatable {
        case noSuchUser(String)
        case noSuchGroup(String)
        case tooManyGroups
    }

    /// Finds who `specification` means: `""` (root), `user`, `uid`, `user:group` or any mix of names and numbers.
    ///
    /// Docker's rules: a name wins over a number, the first matching line counts, a number needs no line, a user
    /// without a group takes the one from passwd and all groups that list the name.
    func identity(for specification: String) throws(LookupError) -> Identity {
        let bytes = Array(specification.utf8)
        let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
        let wanted = Array(bytes[..<colon])
        let wantedGroup = Array(bytes[colon...].dropFirst())

        let entry = user(named: wanted.isEmpty ? Array("0".utf8) : wanted, orRoot: wanted.isEmpty)
        guard let number = entry?.user ?? (wanted.isEmpty ? 0 : UserDatabase.number(wanted[...])) else {
            throw .noSuchUser(String(decoding: wanted, as: UTF8.self))
        }
        let home = entry.flatMap { String(validating: $0.home, as: UTF8.self) } ?? "/"
        var identity = Identity(
            user: number, group: entry?.group ?? 0, supplementaryGroups: [], home: home.hasPrefix("/") ? home : "/")

        if !wantedGroup.isEmpty {
            guard let number = groupNumber(wantedGroup) else {
                throw .noSuchGroup(String(decoding: wantedGroup, as: UTF8.self))
            }
            identity.group = number
            identity.supplementaryGroups = [number]
        } else {
            identity.supplementaryGroups = [identity.group]
            if let entry {
                var seen: Set<UInt32> = [identity.group]
                for number in groups(listing: entry.name) where seen.insert(number).inserted {
                    identity.supplementaryGroups.append(number)
                }
            }
        }
        guard identity.supplementaryGroups.count <= UserDatabase.mostGroups else { throw .tooManyGroups }
        return identity
    }

    private func user(named wanted: [UInt8], orRoot: Bool) -> User? {
        let wantedNumber = UserDatabase.number(wanted[...])
        for line in UserDatabase.lines(of: passwd) {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 4, !fields[0].isEmpty,
                let user = UserDatabase.number(fields[2]), let group = UserDatabase.number(fields[3])
            else { continue }
            if (!orRoot && fields[0].elementsEqual(wanted)) || user == wantedNumber {
                return User(name: fields[0], user: user, group: group, home: fields.count > 5 ? fields[5] : [])
            }
        }
        return nil
    }

    private func groupEntries() -> some Sequence<Group> {
        UserDatabase.lines(of: group).lazy.compactMap { line in
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 3, !fields[0].isEmpty, let number = UserDatabase.number(fields[2]) else { return nil }
            return Group(name: fields[0], group: number, members: fields.count > 3 ? fields[3] : [])
        }
    }

    private func groupNumber(_ wanted: [UInt8]) -> UInt32? {
        let wantedNumber = UserDatabase.number(wanted[...])
        let entry = groupEntries().first { $0.name.elementsEqual(wanted) || $0.group == wantedNumber }
        return entry?.group ?? wantedNumber
    }

    private func groups(listing name: ArraySlice<UInt8>) -> [UInt32] {
        groupEntries().filter { $0.members.split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual(name) } }
            .map(\.group)
    }

    private static func lines(of file: [UInt8]) -> some Sequence<ArraySlice<UInt8>> & LazySequenceProtocol {
        LineSequence(rest: file[...]).lazy.filter { !$0.contains(0) }
    }

    /// A decimal number that can be a user or group; 2³²−1 means "unchanged" to the kernel and is none.
    static func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
        guard (1...10).contains(digits.count) else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return value < UInt64(UInt32.max) ? UInt32(value) : nil
    }
}

/// The lines of a file, one at a time.
private struct LineSequence: Sequence, IteratorProtocol {
    var rest: ArraySlice<UInt8>

    mutating func next() -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
        defer { rest = end < rest.endIndex ? rest[(end + 1)...] : rest[end...] }
        return rest[..<end]
    }
}
