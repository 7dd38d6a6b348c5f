import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `sandpiper inspect`: a running sandbox with its engine, or an image, as JSON.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a sandbox and its engine, or an image, as JSON.")

    @Argument(help: "Name or id of a sandbox, or an image.") var names: [String]

    private struct Sandbox: Encodable {
        let sandbox: SandboxRecord
        let engine: EngineRecord?
    }

    func run() throws {
        let home = try Home.current()
        var sandboxes: [Sandbox] = []
        for name in names {
            guard let directory = try? SandboxDirectory.find(name, in: home) else { continue }
            sandboxes.append(
                Sandbox(
                    sandbox: try RecordFile.read(SandboxRecord.self, from: directory.record),
                    engine: try? RecordFile.read(EngineRecord.self, from: directory.engine)))
        }
        if sandboxes.isEmpty { try ForwardedCommands.execute("sandpiper-image", ["inspect"] + names) }
        guard sandboxes.count == names.count else {
            throw Failure("inspect: name sandboxes or images, not both at once")
        }
        try Descriptor(duplicating: 1).write(RecordFile.encode(sandboxes))
    }
}
