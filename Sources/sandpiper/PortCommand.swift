import ArgumentParser
import Control
import ControlClient
import LinuxSystem
import SandboxState

/// `sandpiper port`: ports of the host that lead to a sandbox.
struct PortCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port", abstract: "Publish ports of a sandbox, running or not.",
        discussion: """
            A port is [IP:]HOST:GUEST[/udp], or a range of them: FIRST-LAST:FIRST-LAST. Without an address it is \
            published on the host's loopback address only. With 0 the host chooses a port of its own.
            """,
        subcommands: [PortList.self, PortAdd.self, PortRemove.self])
}

/// `sandpiper port ls`.
struct PortList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the published ports of a sandbox.")

    @Flag(help: "Print JSON.") var json = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func run() throws {
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        let ports: [PublishedPort]
        if directory.isOwned, case .ports(let running) = try ControlConnection(to: directory).request(.ports) {
            ports = running
        } else {
            ports = try RecordFile.read(SandboxRecord.self, from: directory.record).network.ports
        }
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(ports)) }
        for port in ports { print(port) }
    }
}

/// `sandpiper port add`.
struct PortAdd: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "add", abstract: "Publish ports of a sandbox.")

    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(help: ArgumentHelp("What to publish.", valueName: "[ip:]host:guest[/udp]")) var ports: [String]

    func run() throws {
        let wanted = try ports.flatMap { try PublishedPort.parse($0) }
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        for port in try NetworkChange.publish(wanted).apply(to: directory) { print(port) }
    }
}

/// `sandpiper port rm`.
struct PortRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Publish ports no more; connections that there are go on.")

    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(help: ArgumentHelp("What is published.", valueName: "[ip:]host:guest[/udp]")) var ports: [String]

    func run() throws {
        let wanted = try ports.flatMap { try PublishedPort.parse($0) }
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        try NetworkChange.withdraw(wanted).apply(to: directory)
    }
}
