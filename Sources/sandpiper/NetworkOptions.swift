import ArgumentParser
import Glibc
import LinuxSystem
import NetworkPolicy
import SandboxState

/// What a sandbox may reach: the options that `run`, `create` and `policy set` share.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What it may reach: none, public (the internet, the default) or all.", valueName: "none|public|all"))
    var network: String?
    @Option(
        help: ArgumentHelp(
            "Allow what matches, for example api.example.com:443, *.example.com, host:8080 or 10.0.0.0/8. Without "
                + "--network nothing else is allowed then. Of all rules the first that matches decides.",
            valueName: "rule"))
    var allow: [String] = []
    @Option(help: ArgumentHelp("Deny what matches.", valueName: "rule")) var deny: [String] = []
    @Option(help: ArgumentHelp("Take the rules from a file instead (YAML or JSON).", valueName: "file"))
    var policy: String?
    @Flag(help: "Record what is allowed too, in the sandbox's network.log.") var recordConnections = false

    /// Whether any of them was given.
    var isGiven: Bool { network != nil || !allow.isEmpty || !deny.isEmpty || policy != nil || recordConnections }

    func validate() throws {
        guard policy == nil || network == nil && allow.isEmpty && deny.isEmpty else {
            throw ValidationError("--policy: the file has all the rules; leave out --network, --allow and --deny")
        }
    }

    /// What they make together.
    func made(_ installation: Installation) throws -> NetworkPolicy {
        var made =
            if let policy { try PolicyFile.read(policy, installation) } else {
                try composed()
            }
        if recordConnections { made.recordsAllowed = true }
        return made
    }

    private func composed() throws -> NetworkPolicy {
        let base = try network.map { name in
            guard let preset = NetworkPolicy(preset: name) else {
                throw Failure("--network \(name): choose none, public or all, or give the rules with --policy")
            }
            return preset
        }
        guard let made = NetworkPolicy.composed(base: base, rules: try rules()) else {
            throw Failure("--allow, --deny: a policy has at most \(NetworkPolicy.maximumRules) rules")
        }
        return made
    }

    /// The rules in the order in which they were given, which decides; the parser keeps that of each option only.
    private func rules() throws -> [NetworkPolicy.Rule] {
        var (allowed, denied) = (allow[...], deny[...])
        var rules: [NetworkPolicy.Rule] = []
        for word in CommandLine.arguments {
            switch word.prefix(while: { $0 != "=" }) {
            case "--allow": if let text = allowed.popFirst() { rules.append(try rule(.allow, text)) }
            case "--deny": if let text = denied.popFirst() { rules.append(try rule(.deny, text)) }
            default: continue
            }
        }
        return rules
    }

    private func rule(_ action: NetworkPolicy.Action, _ text: String) throws -> NetworkPolicy.Rule {
        do { return try NetworkPolicy.Rule(action, text) } catch {
            throw Failure("--\(action.rawValue) \(text): \(error)")
        }
    }
}

/// All that a new sandbox's network is to be.
struct NetworkOptions: ParsableArguments {
    @OptionGroup var policy: PolicyOptions
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Publish a port of the sandbox on the host, on its loopback address unless another is given.",
            valueName: "[ip:]host:guest[/udp]"))
    var publish: [String] = []
    @Option(help: ArgumentHelp("Ask this name server instead of the host's own.", valueName: "address[:port]"))
    var dns: [String] = []
    @Option(
        help: ArgumentHelp(
            "Join a private network, in which sandboxes reach each other by name; see 'sandpiper network'.",
            valueName: "network"))
    var join: [NetworkName] = []
    @Option(
        help: ArgumentHelp(
            "Let all TCP connections go through a proxy: http://HOST:PORT (CONNECT) or socks5://HOST:PORT; or the file or "
                + "environment variable that has this, perhaps with USER:PASSWORD@ before the host.",
            valueName: "url|@file|variable"))
    var proxy: String?
    @OptionGroup(title: "TLS and secrets") var interception: InterceptionOptions
    @Option(help: "Bytes a second that may leave.") var uploadRate: ByteSize?
    @Option(help: "Bytes a second that may come in.") var downloadRate: ByteSize?
    @Option(help: "Packets a second, each way.") var packetRate: UInt64?
    @Option(help: "Most connections at one time.") var maxConnections: Int?
    @Option(help: "New connections a second.") var connectionRate: UInt64?

    func validate() throws {
        guard maxConnections.map({ (1...10_000).contains($0) }) != false else {
            throw ValidationError("--max-connections: choose 1 to 10000")
        }
        for (name, value) in [("--packet-rate", packetRate), ("--connection-rate", connectionRate)] where value == 0 {
            throw ValidationError("\(name): choose 1 or more")
        }
        for (name, value) in [("--upload-rate", uploadRate), ("--download-rate", downloadRate)]
        where value.map({ $0.bytes < 1024 }) == true {
            throw ValidationError("\(name): choose 1k or more")
        }
    }

    /// What they make together.
    func settings(_ installation: Installation) throws -> NetworkSettings {
        var settings = NetworkSettings(try policy.made(installation))
        settings.ports = try publish.flatMap { try PublishedPort.parse($0) }
        for (index, port) in settings.ports.enumerated() where settings.ports[..<index].contains(port) {
            throw Failure("--publish \(port): it is given twice")
        }
        for text in dns where NetworkSettings.nameServer(text) == nil {
            throw Failure("--dns \(text): write the address of a name server, perhaps with a port")
        }
        for (index, name) in join.enumerated() where join[..<index].contains(name) {
            throw Failure("--join \(name): it is given twice")
        }
        settings.networks = join.map(\.description)
        settings.interception = try interception.settings()
        if settings.interception != nil, settings.policy.isClosed {
            throw Failure("--tls-intercept, --secret: the sandbox has no network; leave out --network none")
        }
        settings.proxy = try proxy.map { try ProxyReference($0) }
        settings.nameServers = dns.isEmpty ? nil : dns
        settings.limits.egress = .init(bytes: uploadRate.map { UInt64($0.bytes) }, packets: packetRate)
        settings.limits.ingress = .init(bytes: downloadRate.map { UInt64($0.bytes) }, packets: packetRate)
        settings.limits.connections = maxConnections ?? settings.limits.connections
        settings.limits.connectionsPerSecond = connectionRate
        return settings
    }
}

/// Files of policies, which another executable reads.
enum PolicyFile {
    /// Reads a policy from a file.
    static func read(_ path: String, _ installation: Installation) throws -> NetworkPolicy {
        let (pid, output) = try start(path, installation)
        let text = try output.readAll(limit: 4 << 20)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        // It has said why.
        guard status == 0 else { throw ExitStatusError(code: 125) }
        return try RecordFile.decode(NetworkPolicy.self, from: text, named: path)
    }

    /// - Returns: the child, and the end of a pipe that has its output, and ends with it.
    private static func start(_ path: String, _ installation: Installation) throws -> (pid_t, Descriptor) {
        let pipe = try Descriptor.pipe()
        let executable = try installation.executable(ForwardedCommands.policyExecutable)
        return (try spawn([executable, "compile", path], [(pipe.write, 1)], inNewSession: false), pipe.read)
    }
}
