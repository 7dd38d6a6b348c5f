import ArgumentParser
import ControlClient
import LinuxSystem
import NetworkPolicy
import SandboxState

/// `sandpiper policy`: what sandboxes may reach.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show and change what a sandbox may reach, and try out policies.",
        subcommands: [PolicyShow.self, PolicySet.self] + ForwardedCommands.ofPolicies)
}

/// `sandpiper policy show`.
struct PolicyShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print the policy of a sandbox as JSON, which --policy takes.")

    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func run() throws {
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        let policy = try RecordFile.read(SandboxRecord.self, from: directory.record).network.policy
        try Descriptor(duplicating: 1).write(RecordFile.encode(policy))
    }
}

/// `sandpiper policy set`.
struct PolicySet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Give a sandbox another policy, running or not.",
        discussion: "Connections that the new policy does not allow are ended.")

    @OptionGroup var options: PolicyOptions
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func run() throws {
        let policy = try options.made(try Installation())
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        try NetworkChange.policy(policy).apply(to: directory)
    }
}
