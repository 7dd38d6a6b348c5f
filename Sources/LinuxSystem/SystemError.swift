import Glibc

/// A system call that failed: what was attempted, on what, and the kernel's reason.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted, for example `open`.
    public let action: String
    /// The path or object it was attempted on; may be empty.
    public let object: String
    /// The kernel's error number.
    public let number: Int32

    /// Takes the calling thread's `errno` unless `number` is given.
    public init(_ action: String, _ object: String = "", number: Int32 = errno) {
        self.action = action
        self.object = object
        self.number = number
    }

    /// One line, for example `open /x/y: No such file or directory`.
    public var description: String {
        var text = [CChar](repeating: 0, count: 256)
        let known = strerror_r(number, &text, text.count) == 0
        let reason =
            known
            ? String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : "error \(number)"
        return object.isEmpty ? "\(action): \(reason)" : "\(action) \(object): \(reason)"
    }
}
