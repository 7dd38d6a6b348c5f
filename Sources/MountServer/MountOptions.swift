import Glibc

/// How one directory or file is served.
public struct MountOptions: Equatable, Sendable {
    /// Whether everything that would change something fails with `EROFS`.
    public var readOnly = false
    /// The host's user and group whose files are the guest's ``guestUser``'s.
    public var hostUser: UInt32
    /// See ``hostUser``.
    public var hostGroup: UInt32
    /// Whom the guest sees as owner of their files.
    public var guestUser: UInt32 = 0
    /// See ``guestUser``.
    public var guestGroup: UInt32 = 0
    /// Most that the tree may take, in bytes; growth beyond fails with `ENOSPC`.
    public var sizeLimit: UInt64?
    /// For how many seconds the guest may believe names and attributes without asking again, from 0 to a year.
    public var cacheSeconds: UInt32 = 1
    /// What is served, for messages.
    public var name = "a mount"

    /// The usual options of whoever calls.
    public init() {
        hostUser = geteuid()
        hostGroup = getegid()
    }

    /// A command line that cannot be understood.
    public struct UsageError: Error, CustomStringConvertible {
        /// One line.
        public let description: String
    }

    /// Options from a command line, without the program's name: `--read-only`, `--host-owner UID:GID`,
    /// `--guest-owner UID:GID`, `--size-limit BYTES`, `--cache-seconds N`, `--name TEXT`.
    public init(arguments: some Sequence<String>) throws(UsageError) {
        self.init()
        var rest = arguments.makeIterator()
        func value(of option: String) throws(UsageError) -> String {
            guard let value = rest.next() else { throw UsageError(description: "\(option) lacks its value") }
            return value
        }
        while let option = rest.next() {
            switch option {
            case "--read-only": readOnly = true
            case "--host-owner": (hostUser, hostGroup) = try Self.owner(try value(of: option), option)
            case "--guest-owner": (guestUser, guestGroup) = try Self.owner(try value(of: option), option)
            case "--size-limit": sizeLimit = try Self.number(try value(of: option), option)
            case "--cache-seconds":
                cacheSeconds = try Self.number(try value(of: option), option)
                guard cacheSeconds <= 366 * 86_400 else {
                    throw UsageError(description: "--cache-seconds is more than a year")
                }
            case "--name": name = try value(of: option)
            default: throw UsageError(description: "there is no option '\(option)'")
            }
        }
    }

    private static func number<Number: FixedWidthInteger>(
        _ text: String, _ option: String
    ) throws(UsageError) -> Number {
        guard let number = Number(text) else {
            throw UsageError(description: "\(option) needs a number, not '\(text)'")
        }
        return number
    }

    private static func owner(_ text: String, _ option: String) throws(UsageError) -> (UInt32, UInt32) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).compactMap { UInt32($0) }
        guard parts.count == 2 else { throw UsageError(description: "\(option) needs UID:GID, not '\(text)'") }
        return (parts[0], parts[1])
    }
}
