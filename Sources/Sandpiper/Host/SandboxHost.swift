import LinuxSystem
import SandboxState

/// Where sandboxes live, and what runs them: a home directory and an installation of Sandpiper.
///
/// The one that the environment names is right for most programs:
///
/// - the home is `SANDPIPER_HOME`, or `~/.sandpiper`;
/// - the executables are where `SANDPIPER_EXECUTABLES` says, or beside the running program, or where a `sandpiper` on the
///   `PATH` leads to, or in `/usr/local/libexec/sandpiper`.
public struct SandboxHost: Sendable, Hashable {
    /// Absolute path of the home; `nil` for the one that the environment names.
    public var home: String?
    /// Absolute path of the directory that holds `sandpiper-supervisor`, `sandpiper-image` and `guest/`; `nil` for the one
    /// that is found.
    public var executables: String?

    /// A host.
    /// - Parameters:
    ///   - home: an absolute path, or `nil` for what the environment says.
    ///   - executables: an absolute path, or `nil` to look for them.
    public init(home: String? = nil, executables: String? = nil) {
        self.home = home
        self.executables = executables
    }

    /// Looks both up.
    /// - Throws: ``SandpiperError``. Blocks.
    func resolved() throws -> ResolvedHost {
        if let executables { try checkAbsolute(executables) }
        return ResolvedHost(
            home: try resolvedHome(),
            installation: try executables.map { Installation(in: $0) } ?? Installation())
    }
}

extension SandboxHost {
    /// Looks the home up.
    /// - Throws: ``SandpiperError``.
    func resolvedHome() throws -> Home {
        guard let home else { return try Home.current() }
        try checkAbsolute(home)
        return Home(path: home)
    }

    private func checkAbsolute(_ path: String) throws {
        guard path.hasPrefix("/") else { throw SandpiperError.invalidArgument("'\(path)' is not an absolute path") }
    }
}

/// A host whose places are known.
struct ResolvedHost: Sendable {
    let home: Home
    let installation: Installation

    /// What other executables need to know of it.
    var environment: [String: String] { [Home.variable: home.path] }
}
