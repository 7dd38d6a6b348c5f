#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A user and a password for a proxy. Nothing that prints it shows either of them.
public struct ProxyCredentials: Hashable, Sendable {
    /// Most bytes of each (RFC 1929 section 2).
    public static let longest = 255

    /// The user, without a colon.
    public let user: [UInt8]
    /// The password.
    public let password: [UInt8]

    /// Reads `USER` or `USER:PASSWORD` of a URL, each percent-encoded where it has to be (RFC 3986 section 3.2.1).
    /// - Throws: ``Refusal``, which names no part of either.
    public init(userInfo text: some StringProtocol) throws(Refusal) {
        let bytes = Array(text.utf8)
        let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
        user = try Self.decode(bytes[..<colon])
        password = try Self.decode(bytes[colon...].dropFirst())
        // The first colon is the end of the user (RFC 7617 section 2).
        if user.contains(UInt8(ascii: ":")) { throw Refusal("a user cannot have a colon") }
    }

    /// Why this is no user and password.
    public struct Refusal: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    /// What follows `Proxy-Authorization: ` (RFC 7617).
    public var basic: String { "Basic " + Data(user + [UInt8(ascii: ":")] + password).base64EncodedString() }

    private static func decode(_ text: ArraySlice<UInt8>) throws(Refusal) -> [UInt8] {
        var (decoded, rest) = ([UInt8](), text)
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                throw Refusal("after each % of its user and password two hexadecimal digits have to stand")
            }
            decoded.append(high << 4 | low)
        }
        guard decoded.count <= longest else {
            throw Refusal("its user and its password have at most \(longest) bytes each")
        }
        guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw Refusal("its user or its password has a control character")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension ProxyCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// That there are some.
    public var description: String { "a user and a password" }
    /// The same.
    public var debugDescription: String { description }
    /// Nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
