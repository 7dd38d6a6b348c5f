import Glibc
import LinuxSystem
import Sandpiper
import Subprocess
import Testing

/// What `make test` built for the suites that run real machines, and told them in the environment.
enum Built {
    static let executables = variable("SANDPIPER_TEST_EXECUTABLES")
    static let images = variable("SANDPIPER_TEST_IMAGES")

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Trait where Self == ConditionTrait {
    /// Needs what `make test` builds; `swift test` by itself leaves the test out.
    static var needsMachines: Self {
        .enabled(if: Built.executables != nil && Built.images != nil, "run by 'make test', which builds what it needs")
    }
}

/// A home with the image `busybox`, which all tests share: a template is made once.
actor TestHost {
    static let shared = TestHost()

    private var making: Task<SandboxHost, any Error>?

    /// The host, with the image loaded.
    var host: SandboxHost {
        get async throws {
            if let making { return try await making.value }
            let task = Task { try await Self.make() }
            making = task
            return try await task.value
        }
    }

    private static func make() async throws -> SandboxHost {
        let executables = try #require(Built.executables)
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let path = "\(base)/sandpiper-library-\(getpid())"
        try FileTree.makeDirectory(path)
        // Of a literal type: the home goes with the process.
        removed = strdup(path)
        atexit { if let removed { try? FileTree.removeTree(String(cString: removed)) } }
        let loaded = try await run(
            .path(.init("\(executables)/sandpiper-image")),
            arguments: ["load", "\(try #require(Built.images))/busybox.tar"],
            environment: .inherit.updating(["SANDPIPER_HOME": path]), output: .discarded, error: .string(limit: 65_536))
        try #require(loaded.terminationStatus.isSuccess, "\(loaded.standardError)")
        return SandboxHost(home: path, executables: executables)
    }

    /// Makes a sandbox for `body`.
    static func withSandbox<Result>(
        options: Sandbox.Options = Sandbox.Options(), _ body: (Sandbox) async throws -> Result
    ) async throws -> Result {
        try await Sandpiper.withSandbox(image: "busybox", options: options, on: shared.host, body)
    }

    /// The files that the sandboxes of the host have left.
    static func leftovers(of sandbox: Sandbox) async throws -> [String] {
        let home = try #require(try await shared.host.home)
        return ["sandboxes", "run"].map { "\(home)/\($0)/\(sandbox.id)" }.filter { FileTree.exists($0) }
    }
}

/// Written once, before the process can end.
nonisolated(unsafe) private var removed: UnsafeMutablePointer<CChar>?
