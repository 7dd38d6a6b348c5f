import ArgumentParser
import SandboxState

/// `sandpiper rename`: another name for a sandbox.
struct Rename: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give a sandbox another name, running or not.")

    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(help: "The new name.") var name: SandboxName

    func run() throws {
        let home = try Home.current()
        let directory = try SandboxDirectory.find(sandbox, in: home)
        let old = try RecordFile.read(SandboxRecord.self, from: directory.record).name
        try directory.rename(to: name)
        EventLog(home).append(
            .init(.rename, directory.id, name: "\(name)", detail: old.map { "its name was \($0)" } ?? "it had no name"))
    }
}
