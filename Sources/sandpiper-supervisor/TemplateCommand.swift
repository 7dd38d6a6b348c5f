import ArgumentParser
import Engine
import Glibc
import LinuxSystem
import SandboxState
import Template
import TextLayout

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `sandpiper template`: the frozen machines that sandboxes are forks of.
struct TemplateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandpiper template", abstract: "Manage the frozen machines that sandboxes are forks of.",
        discussion:
            "They are made when they are first needed; nothing is lost by removing one but the second it takes.",
        subcommands: [Build.self, List.self, Verify.self, Remove.self, Prune.self])

    /// Runs with these arguments, and ends the process.
    static func run(_ arguments: [String]) async -> Never {
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            Glibc.exit(0)
        } catch {
            if exitCode(for: error).isSuccess {
                Swift.print(fullMessage(for: error))
                Glibc.exit(0)
            }
            StandardError.print("sandpiper: \(message(for: error))")
            Glibc.exit(error is Damaged ? 1 : 125)
        }
    }

    private static func store() throws -> TemplateStore { TemplateStore(home: try Home.current().path) }

    /// Templates that were found damaged, which is a finding and no failure of the command.
    private struct Damaged: Error, CustomStringConvertible {
        let description: String
    }

    struct Build: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a template before it is needed.")

        @Option(help: "Virtual CPUs, 1 to 64.") var cpus: Int = 1
        @Option(help: "Memory, for example 512m; rounded up to a power of two.") var memory = "512m"
        @Flag(name: .customLong("require-kvm"), help: "Refuse to make one for emulation.") var requireKVM = false

        func run() async throws {
            guard let size = ByteSize(memory), (ByteSize.mebibytes(64)...ByteSize.mebibytes(1 << 20)).contains(size),
                (1...64).contains(cpus)
            else { throw ValidationError("choose --cpus from 1 to 64 and --memory from 64m to 1t") }
            let home = try Home.current()
            let installation = try Installation()
            try FileTree.makeDirectory(home.cache)
            let engine = try EngineFinder(cacheDirectory: home.cache).find(requireKVM: requireKVM)
            let specification = TemplateSpecification(
                cpus: cpus, memory: size.bytes, kernel: try installation.kernel(),
                initramfs: try installation.initramfs())
            print(try await TemplateStore(home: home.path).template(for: specification, on: engine).name)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "List templates.")

        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let entries = try store().list()
            if json { return print(String(decoding: try RecordFile.encode(entries), as: UTF8.self), terminator: "") }
            var table = Table("TEMPLATE", "CPUS", "MEMORY", "ENGINE", "DISK", "LAST USED")
            for entry in entries {
                table.add(
                    entry.name, "\(entry.cpus)", "\(ByteSize(bytes: entry.memory))", entry.accelerator,
                    "\(entry.diskUsage >> 20)m", Self.date(entry.lastUse))
            }
            print(table)
            for entry in entries {
                guard let problem = entry.engineProblem else { continue }
                print("\(entry.name) starts slowly: \(problem)")
            }
        }

        private static func date(_ seconds: Int64) -> String {
            Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read templates whole and say whether they are sound; the exit status is 1 when one is not.")

        @Argument(help: "Names of templates; all when none is given.") var names: [String] = []

        func run() throws {
            let store = try store()
            var damaged = 0
            for name in names.isEmpty ? try store.list().map(\.name) : names {
                let finding = try store.verify(name)
                print(name, finding ?? "sound")
                damaged += finding == nil ? 0 : 1
            }
            if damaged > 0 { throw Damaged(description: "\(damaged) damaged: remove them, and they are made anew") }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove templates; running sandboxes keep what they need of them.")

        @Argument(help: "Names of templates.") var names: [String]

        func run() throws {
            for name in names {
                guard try store().remove(name) else { throw ValidationError("template \(name) is just being made") }
                print(name)
            }
        }
    }

    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the least recently used templates until the rest keeps to a budget.")

        @Option(help: "How much disk templates may take, for example 2g; 0 removes all.") var budget = "8g"

        func run() throws {
            guard let size = ByteSize(budget) else { throw ValidationError("--budget \(budget): write a size like 2g") }
            for name in try store().prune(to: size.bytes) { print(name) }
        }
    }
}
