import Glibc
import InterceptionProtocol
import LinuxSystem
import SandboxState

/// Finds the values of a sandbox's secrets where its record says that they are: each time it is started, by whoever starts it.
enum SecretLookup {
    /// The values.
    /// - Returns: `nil` when there is no secret.
    /// - Throws: ``StateError/badSecret(_:reason:)`` for one that cannot be had.
    static func values(for secrets: [SecretReference]) throws -> SecretValues? {
        guard !secrets.isEmpty else { return nil }
        let values = try SecretValues()
        for secret in secrets {
            switch secret.source {
            case .variable(let name): try append(variable: name, of: secret, to: values)
            case .file(let path): try append(file: path, of: secret, to: values)
            }
        }
        return values
    }

    private static func append(variable: String, of secret: SecretReference, to values: SecretValues) throws {
        guard let value = getenv(variable) else {
            throw StateError.badSecret(
                secret.name, reason: "the environment variable \(variable) is not set where the sandbox is started")
        }
        try append(UnsafeRawBufferPointer(start: value, count: strlen(value)), of: secret, to: values)
    }

    private static func append(file path: String, of secret: SecretReference, to values: SecretValues) throws {
        let file: Descriptor
        do throws(SystemError) { file = try Descriptor(opening: path, O_RDONLY) } catch {
            throw StateError.badSecret(secret.name, reason: "\(error)")
        }
        var count = 0
        var failure: SystemError?
        // One more than a value may have, and a line end, to know of more.
        let bytes = try LockedBytes(count: SecretValues.longest + 3) { buffer in
            do throws(SystemError) {
                while count < buffer.count {
                    let read = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                    if read == 0 { break }
                    count += read
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw StateError.badSecret(secret.name, reason: "\(path) cannot be read: \(failure)") }
        try bytes.withBytes { bytes in
            var value = bytes[..<count]
            if value.last == UInt8(ascii: "\n") { value = value.dropLast() }
            if value.last == UInt8(ascii: "\r") { value = value.dropLast() }
            try append(UnsafeRawBufferPointer(rebasing: value), of: secret, to: values)
        }
    }

    private static func append(
        _ value: UnsafeRawBufferPointer, of secret: SecretReference, to values: SecretValues
    ) throws {
        guard !value.isEmpty else { throw StateError.badSecret(secret.name, reason: "its value is empty") }
        guard value.count <= SecretValues.longest else {
            throw StateError.badSecret(secret.name, reason: "its value has more than \(SecretValues.longest) bytes")
        }
        try values.append(value)
    }
}
