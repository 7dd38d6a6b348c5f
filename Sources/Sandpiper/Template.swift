#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A frozen machine that sandboxes are forks of.
///
/// Templates are made when they are first needed, one for each number of processors and each size of memory; to make one
/// ahead spares the first sandbox the seconds that takes.
public struct Template: Sendable, Hashable {
    /// Its name: 16 hexadecimal digits.
    public let name: String
    /// Virtual processors.
    public let cpus: Int
    /// Memory in bytes.
    public let memory: Int64
    /// What executes its forks' instructions: `kvm` or `emulated`.
    public let accelerator: String

    private let host: SandboxHost

    /// As `sandpiper template ls --json` tells of it.
    private struct Entry: Decodable {
        let name: String
        let cpus: Int
        let memory: Int64
        let accelerator: String
    }

    private init(_ entry: Entry, _ host: SandboxHost) {
        name = entry.name
        cpus = entry.cpus
        memory = entry.memory
        accelerator = entry.accelerator
        self.host = host
    }

    /// Makes a template, or finds the one that is there. Cancelling the task ends that.
    /// - Parameters:
    ///   - cpus: virtual processors, 1 to 64.
    ///   - memory: in bytes, from 64 MiB to 1 TiB; rounded up to a power of two.
    ///   - host: where to make it.
    /// - Throws: ``SandpiperError/refused(_:)``, `CancellationError`.
    @discardableResult
    public static func build(
        cpus: Int = 1, memory: Int64 = 512 << 20, on host: SandboxHost = SandboxHost()
    ) async throws -> Template {
        guard (64 << 20...1 << 40).contains(memory) else {
            throw SandpiperError.invalidArgument("\(memory) bytes of memory; give 64 MiB to 1 TiB")
        }
        let mebibytes = (memory + (1 << 20) - 1) >> 20
        let output = try await run(["build", "--cpus", "\(cpus)", "--memory", "\(mebibytes)m"], on: host)
        let name = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline).last.map(String.init)
        guard let template = try await all(on: host).first(where: { $0.name == name }) else {
            throw SandpiperError.refused("the template was made and is gone; was it removed?")
        }
        return template
    }

    /// All templates, the most recently used first.
    /// - Throws: ``SandpiperError``.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [Template] {
        let output = try await run(["ls", "--json"], on: host)
        do { return try JSONDecoder().decode([Entry].self, from: Data(output)).map { Template($0, host) } } catch {
            throw SandpiperError.system("cannot read the list of templates: \(error)")
        }
    }

    /// Reads all of the template.
    /// - Returns: what is wrong with it, in one line; `nil` when it is sound. A damaged one is made anew when it is needed.
    /// - Throws: ``SandpiperError/refused(_:)`` when it is gone.
    public func verify() async throws -> String? {
        let ending = try await Self.ending(["verify", "--", name], on: host)
        switch ending.status {
        case 0: return nil
        case 1: return String(decoding: ending.output, as: UTF8.self).trimmed(name)
        default: throw SandpiperError.refused(ending.message)
        }
    }

    /// Removes the template. Sandboxes that run keep what they need of it.
    /// - Throws: ``SandpiperError/refused(_:)`` when it is gone, or just being made.
    public func remove() async throws { _ = try await Self.run(["rm", "--", name], on: host) }

    private static func run(_ arguments: [String], on host: SandboxHost) async throws -> [UInt8] {
        let ending = try await ending(arguments, on: host)
        guard ending.status == 0 else { throw SandpiperError.refused(ending.message) }
        return ending.output
    }

    private static func ending(_ arguments: [String], on host: SandboxHost) async throws -> Program.Ending {
        let resolved = try await blocking { try host.resolved() }
        return try await Program.run("sandpiper-supervisor", ["template"] + arguments, on: resolved)
    }
}

extension String {
    /// The first line, without the name that it begins with.
    fileprivate func trimmed(_ name: String) -> String {
        let line = prefix { !$0.isNewline }
        return String(line.hasPrefix(name + " ") ? line.dropFirst(name.count + 1) : line)
    }
}
