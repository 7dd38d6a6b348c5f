import ArgumentParser
import Glibc
import LinuxSystem
import RegistryClient

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Keep a user name and password for a registry.",
        discussion: """
            They are tried first, then kept in auth.json in Sandpiper's home, which only its owner can read. What \
            `docker login` has kept is used as well, so this is needed for other registries only.
            """)

    @Argument(help: ArgumentHelp("The registry's host, with its port if it has one.", valueName: "registry"))
    var registry = "docker.io"

    @Option(name: .shortAndLong, help: "The user name.")
    var username: String?

    @Flag(help: "Read the password from standard input, up to its end.")
    var passwordStdin = false

    @OptionGroup var connection: RegistryConnection

    func run() async throws {
        if passwordStdin, username == nil { throw UserError("login: --password-stdin needs --username") }
        let username = try self.username ?? ask("Username: ")
        let password = try passwordStdin ? line(Descriptor(duplicating: 0).readAll(limit: 1 << 16)) : askSecretly()
        guard !username.isEmpty, !password.isEmpty else {
            throw UserError("login: a user name and a password are needed")
        }
        let options = try connection.options
        try await connection.withClient { client in
            try await client.checkCredentials(registry: registry, username: username, password: password)
        }
        try CredentialStore(options).store(registry: registry, username: username, password: password)
        print("Login succeeded.")
    }

    private func ask(_ prompt: String) throws -> String {
        guard isatty(STDIN_FILENO) != 0 else {
            throw UserError("login: standard input is no terminal; use --username and --password-stdin")
        }
        try Descriptor(duplicating: 2).write(Array(prompt.utf8))
        guard let line = readLine() else { throw UserError("login: nothing was entered") }
        return line
    }

    private func askSecretly() throws -> String {
        guard isatty(STDIN_FILENO) != 0 else {
            throw UserError("login: standard input is no terminal; use --username and --password-stdin")
        }
        var mode = termios()
        guard tcgetattr(STDIN_FILENO, &mode) == 0 else { throw SystemError("get the terminal's mode") }
        let before = mode
        mode.c_lflag &= ~tcflag_t(ECHO)
        let restore: @Sendable () -> Void = {
            var before = before
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            StandardError.print("")
        }
        try Interruption.handle { end in
            restore()
            end()
        }
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode)
        defer { restore() }
        return try ask("Password: ")
    }

    /// The text of the first line.
    private func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }
}

struct LogoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Forget the password that `login` kept for a registry.")

    @Argument(help: ArgumentHelp("The registry's host, with its port if it has one.", valueName: "registry"))
    var registry = "docker.io"

    @OptionGroup var connection: RegistryConnection

    func run() throws {
        let found = try CredentialStore(try connection.options).erase(registry: registry)
        print(found ? "Forgotten." : "Nothing was kept for \(registry).")
    }
}
