import Glibc
import LinuxSystem
import Subprocess
import Testing

/// What `make test` built for the suites that run real machines, and told them in the environment.
enum Built {
    /// The folder of the release executables.
    static let executables = variable("SANDPIPER_TEST_EXECUTABLES")
    /// The folder of the images.
    static let images = variable("SANDPIPER_TEST_IMAGES")

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Trait where Self == ConditionTrait {
    /// Needs what `make test` builds; `swift test` by itself leaves the test out.
    static var needsMachines: Self {
        .enabled(if: Built.executables != nil && Built.images != nil, "run by 'make test', which builds what it needs")
    }
}

/// How a command ended, and what it printed.
struct Outcome {
    let status: Int32
    let output: String
    let error: String
}

/// A home of Sandpiper's with nothing but the images that a test names.
struct TestHome {
    let path: String

    /// Makes a home; `name` of a test that wants a path of its own kind.
    init(_ name: String = "home") throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(base)/sandpiper-\(getpid())-\(UInt32.random(in: .min ... .max))/\(name)"
        try FileTree.makeDirectory(path)
    }

    /// Removes the home.
    func remove() {
        try? FileTree.removeTree(
            String(path.prefix { _ in true }.dropLast(path.split(separator: "/").last.map { $0.count + 1 } ?? 0)))
    }

    /// Runs a test in a home of its own that holds the image `python`, and checks that nothing of a sandbox is left.
    static func with(
        _ name: String = "home", images: [String] = ["busybox.tar"], _ body: (TestHome) async throws -> Void
    ) async throws {
        let home = try TestHome(name)
        defer { home.remove() }
        for image in images {
            let outcome = try await home.sandpiper("load", "\(Built.images ?? "")/\(image)")
            try #require(outcome.status == 0, "\(outcome.error)")
        }
        try await body(home)
        home.expectNothingLeft()
    }

    /// Expects that no sandbox's files and no process of this home's are there.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) {
        for folder in ["run", "sandboxes"] {
            let names = (try? FileTree.names(in: "\(path)/\(folder)")) ?? []
            #expect(names.isEmpty, "left in \(folder)", sourceLocation: location)
        }
        #expect(processes().isEmpty, sourceLocation: location)
    }

    /// Ids of the processes whose environment names this home: its commands and supervisors.
    func processes() -> [pid_t] {
        let names = (try? FileTree.names(in: "/proc")) ?? []
        let mark = Array("SANDPIPER_HOME=\(path)\0".utf8)
        return names.compactMap { pid_t($0) }.filter { pid in
            let environment = (try? FileTree.read("/proc/\(pid)/environ", limit: 1 << 20)) ?? []
            return environment.contains(mark)
        }
    }

    /// The environment of this home's commands.
    var environment: Environment { .inherit.updating(["SANDPIPER_HOME": path]) }

    /// An executable of the installation under test.
    var executable: Executable { .path("\(Built.executables ?? "")/sandpiper") }

    /// Runs a command to its end.
    func sandpiper(_ arguments: String..., input: String = "") async throws -> Outcome {
        try await sandpiper(arguments, input: input)
    }

    /// Runs a command to its end.
    func sandpiper(_ arguments: [String], input: String = "") async throws -> Outcome {
        let result = try await Subprocess.run(
            executable, arguments: Arguments(arguments), environment: environment, input: .string(input),
            output: .string(limit: 64 << 20), error: .string(limit: 1 << 20))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): code
            case .signaled(let signal): 128 + signal
            }
        return Outcome(status: status, output: result.standardOutput ?? "", error: result.standardError ?? "")
    }
}

extension Array where Element: Equatable {
    fileprivate func contains(_ other: [Element]) -> Bool {
        guard other.count <= count else { return false }
        return (0...count - other.count).contains { self[$0..<$0 + other.count].elementsEqual(other) }
    }
}
