import Glibc

/// A call on the file system that failed, or was refused for safety.
public struct FileCallError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted and on what, as it follows "cannot".
    public let attempt: String
    /// Why, as an errno value of Linux.
    public let code: Int32
    /// What errno alone does not say; empty if nothing.
    public let detail: String

    /// Makes an error.
    public init(_ attempt: String, code: Int32, detail: String = "") {
        self.attempt = attempt
        self.code = code
        self.detail = detail
    }

    /// One line: what was attempted and why it failed. Names in it are foreign.
    public var description: String {
        if !detail.isEmpty { return "cannot \(attempt): \(detail)" }
        var text = [CChar](repeating: 0, count: 256)
        guard strerror_r(code, &text, text.count) == 0 else { return "cannot \(attempt): error \(code)" }
        return
            "cannot \(attempt): \(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))"
    }

    /// Runs a call again while a signal interrupts it.
    /// - Returns: what the call returned, 0 or more.
    /// - Throws: ``FileCallError`` when it returns a negative number.
    @discardableResult
    public static func check<Value: SignedInteger>(
        _ attempt: @autoclosure () -> String, _ call: () -> Value
    ) throws(FileCallError) -> Value {
        while true {
            let result = call()
            if result >= 0 { return result }
            let code = errno
            if code != EINTR { throw FileCallError(attempt(), code: code) }
        }
    }

    /// A name or path for a message: text, on one line, and not longer than a line should be.
    public static func text(_ bytes: some Collection<UInt8>) -> String {
        let text = String(decoding: bytes.prefix(1024), as: UTF8.self)
        let scalars = text.unicodeScalars.prefix(200).map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: "\u{fffd}"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars)) + (bytes.count > 200 ? "…" : "")
    }
}

/// A name or path as C wants it, for as long as the array lives.
public func cText(_ bytes: some Collection<UInt8>) -> [CChar] {
    var text: [CChar] = []
    text.reserveCapacity(bytes.count + 1)
    for byte in bytes { text.append(CChar(bitPattern: byte)) }
    text.append(0)
    return text
}
