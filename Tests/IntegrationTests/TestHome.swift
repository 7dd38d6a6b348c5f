import Glibc
import LinuxSystem
import Subprocess
import Testing

/// A home of Sandpiper's that belongs to one test.
struct TestHome {
    /// The home.
    let path: String
    /// A folder for the test's own files, which goes with the home.
    let scratch: String

    /// Runs a test in a home that holds `images`, and expects that no sandbox is left of it.
    ///
    /// The homes in use at a time are few: each may run a machine, and an emulated machine takes a processor.
    /// - Parameters:
    ///   - images: names of archives.
    ///   - name: the last part of the home's path.
    static func with(
        _ images: [String] = ["busybox.tar"], name: String = "home", location: SourceLocation = #_sourceLocation,
        _ body: (TestHome) async throws -> Void
    ) async throws {
        try await Slots.machines.use {
            let prepared = try await PreparedHomes.shared.path(images)
            let home = try TestHome(name: name)
            defer { home.remove() }
            let copy = Command(
                executable: "cp", arguments: ["-a", "--reflink=auto", prepared, home.path],
                environment: .inherit)
            try #require(try await copy.run().status == 0, sourceLocation: location)
            try await body(home)
            try await home.expectNothingLeft(location)
        }
    }

    /// Runs a test in an empty home that will run no machine.
    static func withoutMachine(_ body: (TestHome) async throws -> Void) async throws {
        try await Slots.others.use {
            let home = try TestHome()
            defer { home.remove() }
            try await body(home)
        }
    }

    /// Makes the folder that a new home lies in; the home itself is not there yet.
    init(name: String = "home") throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        scratch = "\(base)/sandpiper-\(getpid())-\(UInt32.random(in: .min ... .max))"
        path = "\(scratch)/\(name)"
        try FileTree.makeDirectory(scratch)
    }

    /// Removes the home and the test's own files.
    func remove() { try? FileTree.removeTree(scratch) }

    // MARK: Commands

    private var environment: Environment {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return .inherit.updating([
            "SANDPIPER_HOME": self.path, "PATH": "\(Built.executables ?? ""):\(path)",
            // Whoever runs the tests may have credentials, which are none of the tests' business.
            "DOCKER_CONFIG": "\(scratch)/docker",
        ])
    }

    /// A `sandpiper` command.
    func command(_ arguments: [String]) -> Command {
        Command(
            executable: "\(Built.executables ?? "")/sandpiper", arguments: arguments, environment: environment)
    }

    /// Runs a `sandpiper` command to its end.
    func sandpiper(_ arguments: String..., input: String = "") async throws -> Outcome {
        try await command(arguments).run(input: input)
    }

    /// Runs a `sandpiper` command to its end.
    func sandpiper(_ arguments: [String]) async throws -> Outcome { try await command(arguments).run() }

    /// Runs a `sandpiper` command, and `body` beside it.
    func sandpiper(_ arguments: String..., while body: (RunningCommand) async throws -> Void) async throws -> Outcome {
        try await command(arguments).run(while: body)
    }

    /// Runs a script in the image busybox.
    func busybox(_ script: String, options: [String] = []) async throws -> Outcome {
        try await sandpiper(["run"] + options + ["busybox", "--", "sh", "-c", script])
    }

    /// Runs a script of bash on the host, in the folder of the test's own files; it finds `sandpiper` on its path.
    func host(_ script: String, patience: Duration = Command.patience) async throws -> Outcome {
        try await Command(
            executable: "/bin/bash", arguments: ["-c", "cd '\(scratch)'; \(script)"], environment: environment
        ).run(patience: patience)
    }
}
