import ArgumentParser
import LinuxSystem
import SandboxState

/// `sandpiper logs --console`: what the guest printed on its console and the engine on its stderr.
struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the console of a running sandbox.")

    @Flag(help: "The guest's console and the engine's messages.") var console = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func validate() throws {
        guard console else { throw ValidationError("name what to print: --console") }
    }

    func run() throws {
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        let output = try Descriptor(duplicating: 1)
        for path in directory.consoleFiles where FileTree.exists(path) {
            let bytes = try FileTree.read(path, limit: 1 << 20)
            // The guest chooses these bytes: on a terminal they must not become commands to it.
            try output.write(output.isTerminal ? bytes.filter { $0 >= 32 && $0 != 127 || $0 == 9 || $0 == 10 } : bytes)
        }
    }
}
