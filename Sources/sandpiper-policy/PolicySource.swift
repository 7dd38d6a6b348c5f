import ArgumentParser
import Glibc
import LinuxSystem
import NetworkPolicy
import PolicyFile

/// Where a command finds its policy.
struct PolicySource: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "A file in YAML or JSON, '-' for standard input, or none, public or all for the policy of that name.",
            valueName: "file"))
    var file: String

    /// The policy that is there.
    func read() throws -> NetworkPolicy {
        if let policy = NetworkPolicy(preset: file), access(file, F_OK) != 0 { return policy }
        let bytes: [UInt8]
        do {
            bytes =
                file == "-"
                ? try Descriptor(opening: "/proc/self/fd/0").readAll(limit: PolicyFile.maximumSize)
                : try FileTree.read(file, limit: PolicyFile.maximumSize)
        } catch {
            guard error.number == EFBIG else { throw error }
            throw FileError(description: "\(file): larger than \(PolicyFile.maximumSize >> 10) KiB")
        }
        do { return try PolicyFile.policy(bytes) } catch {
            throw FileError(description: "\(file)\(error.line.map { ":\($0)" } ?? ""): \(error.message)")
        }
    }
}

/// A file that is no policy.
struct FileError: Error, CustomStringConvertible {
    let description: String
}
