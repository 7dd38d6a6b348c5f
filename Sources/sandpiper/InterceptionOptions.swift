import ArgumentParser
import Glibc
import InterceptionProtocol
import SandboxState

/// How a new sandbox's TLS connections are opened on the host, and which secrets are put into its requests.
struct InterceptionOptions: ParsableArguments {
    @Flag(help: "Open its TLS connections on the host, and judge every request in them.") var tlsIntercept = false
    @Option(help: ArgumentHelp("Do not open connections to this host.", valueName: "host")) var tlsBypass:
        [HostPattern] = []
    @Option(help: ArgumentHelp("Trust these certificates of servers too (PEM).", valueName: "file"))
    var tlsAuthority: [String] = []
    @Option(help: ArgumentHelp("Do not verify this host's certificate.", valueName: "host"))
    var tlsUnverified: [HostPattern] = []
    @Option(
        help: ArgumentHelp(
            "Let it use a secret without seeing it: the variable NAME has a placeholder, which is replaced on the way to "
                + "these hosts. Its value comes from @FILE or a variable of yours, called NAME unless said otherwise.",
            valueName: "name[=@file|=variable]@host,…"))
    var secret: [String] = []
    @Option(
        help: ArgumentHelp(
            "Where a secret's placeholder is replaced: headers (unless said otherwise), basic, query, form, json.",
            valueName: "name=place,…"))
    var secretIn: [String] = []
    @Option(help: ArgumentHelp("Send a secret over plain HTTP too.", valueName: "name")) var secretPlainHTTP: [String] =
        []

    /// What they make together; `nil` when nothing is intercepted.
    func settings() throws -> InterceptionSettings? {
        guard tlsIntercept || !secret.isEmpty else {
            let others = [
                ("--tls-bypass", tlsBypass.isEmpty), ("--tls-authority", tlsAuthority.isEmpty),
                ("--tls-unverified", tlsUnverified.isEmpty), ("--secret-in", secretIn.isEmpty),
                ("--secret-plain-http", secretPlainHTTP.isEmpty),
            ]
            if let (option, _) = others.first(where: { !$0.1 }) {
                throw Failure("\(option): nothing is intercepted without --tls-intercept or --secret")
            }
            return nil
        }
        var settings = InterceptionSettings()
        settings.bypassedHosts = tlsBypass
        settings.unverifiedHosts = tlsUnverified
        settings.authorities = try tlsAuthority.map { path in
            guard let resolved = realpath(path, nil) else {
                throw Failure("--tls-authority \(path): there is no such file")
            }
            defer { free(resolved) }
            return String(cString: resolved)
        }
        guard let directory = getcwd(nil, 0) else { throw Failure("--secret: the current directory is gone") }
        defer { free(directory) }
        settings.secrets = try secret.map { try SecretReference(parsing: $0, in: String(cString: directory)) }
        for text in secretIn {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw Failure("--secret-in \(text): write NAME=PLACE,…") }
            let places = try parts[1].split(separator: ",", omittingEmptySubsequences: false).map { word in
                guard let place = SecretDescription.Place(rawValue: String(word)) else {
                    throw Failure("--secret-in \(text): choose among headers, basic, query, form and json")
                }
                return place
            }
            try settings.change(String(parts[0]), "--secret-in") { $0.places = Set(places) }
        }
        for name in secretPlainHTTP { try settings.change(name, "--secret-plain-http") { $0.allowsPlainHTTP = true } }
        try settings.check()
        return settings
    }
}

extension InterceptionSettings {
    fileprivate mutating func change(
        _ name: String, _ option: String, _ body: (inout SecretDescription) -> Void
    ) throws {
        guard let index = secrets.firstIndex(where: { $0.name == name }) else {
            throw Failure("\(option): there is no --secret \(name)")
        }
        body(&secrets[index].description)
    }
}

extension HostPattern: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}
