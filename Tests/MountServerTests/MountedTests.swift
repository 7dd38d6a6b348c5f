import Glibc
import LinuxSystem
import Testing

/// A directory that is served by the real program and mounted by the real kernel, and used as programs use directories.
@Suite(
    "A mounted directory", .enabled(if: Mounted.isPossible, "needs root, /dev/fuse and a mount namespace"), .serialized)
struct MountedTests {
    @Test("behaves as programs expect", arguments: [false, true])
    func behaviour(byOrdinaryUser: Bool) async throws {
        try await Mounted.run("behaviour.py", "MOUNT", "PLAIN", byOrdinaryUser: byOrdinaryUser)
    }

    @Test("random operations on a file do what a model in memory says", arguments: [1, 2, 3, 4])
    func randomOperations(_ seed: Int) async throws {
        let count = Mounted.isLong ? "20000" : "2500"
        try await Mounted.run("random_operations.py", "MOUNT/file", count, "\(seed)")
    }

    @Test("holds git repositories that git finds sound", arguments: [false, true])
    func git(byOrdinaryUser: Bool) async throws {
        try await Mounted.run("git.sh", "MOUNT", byOrdinaryUser: byOrdinaryUser)
    }

    @Test("holds databases that are written by two processes, and survive one that is killed in the middle")
    func sqlite() async throws { try await Mounted.run("sqlite.py", "MOUNT") }

    @Test("takes and gives all that tar can hold", arguments: [false, true])
    func archive(byOrdinaryUser: Bool) async throws {
        try await Mounted.run(
            "archive.sh", "A", "MOUNT", "B", byOrdinaryUser: byOrdinaryUser)
    }

    @Test("holds a hundred thousand files")
    func manyFiles() async throws { try await Mounted.run("many_files.py", "MOUNT", "100000") }

    @Test("lets nobody out, however names are raced")
    func escape() async throws {
        try await Mounted.run("escape.py", "MOUNT", "PLAIN", "A", Mounted.isLong ? "60" : "10")
    }

    @Test("goes on when its server is replaced")
    func restart() async throws {
        try await Mounted.run("restart.py", "MOUNT", "PLAIN", "CONTROL", pump: ["-c", "CONTROL"])
    }

    @Test("takes no more than its limit")
    func space() async throws {
        try await Mounted.run(
            "space.py", "MOUNT", "PLAIN", options: ["--size-limit", "16777216"],
            before: "head -c 2000000 /dev/zero > PLAIN/before")
    }

    @Test("changes nothing when it is served for reading only")
    func readOnly() async throws {
        try await Mounted.run(
            "read_only.py", "MOUNT", options: ["--read-only", "--cache-seconds", "3600"],
            before: "cd PLAIN; mkdir d; echo content > f; ln -s f l; echo g > d/g")
    }

    @Test("can be a single file")
    func oneFile() async throws {
        try await Mounted.run(
            "one_file.py", "MOUNT", "PLAIN", before: "rmdir PLAIN MOUNT; echo content > PLAIN; touch MOUNT")
    }

    @Test("is served by a process that has given up all that it does not need", arguments: [false, true])
    func wall(byOrdinaryUser: Bool) async throws {
        try await Mounted.run("wall.py", "MOUNT", byOrdinaryUser: byOrdinaryUser)
    }
}

@Suite("The process that serves a mount")
struct ServerProcessTests {
    @Test("ends with its parent, and not with a thread of its parent", .enabled(if: Mounted.hasPython))
    func orphan() async throws {
        let directory = try TestDirectory()
        try await Mounted.shell(
            "python3 -B \(Mounted.scripts)/orphan.py \(try TestProgram.path("sandpiper-mounts")) \(directory.path)")
    }
}

/// Runs scripts on a mount.
enum Mounted {
    static let isPossible = geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0 && hasPython
    /// Whether the scripts can be run, and be read.
    static let hasPython = access("/usr/bin/python3", X_OK) == 0 && access(scripts, R_OK) == 0
    /// Whether tests may take minutes.
    static let isLong = getenv("SANDPIPER_LONG_TESTS") != nil

    static let scripts =
        "/" + (#filePath.split(separator: "/").dropLast(2) + ["MountScripts"]).joined(separator: "/")

    /// Serves a directory, mounts it and runs a script.
    ///
    /// In all arguments `PLAIN` stands for the directory, `MOUNT` for where it is mounted, `A` and `B` for directories
    /// beside it, and `CONTROL` for the pump's socket.
    /// - Parameter byOrdinaryUser: whether the server runs as a user without privileges, who owns the directory.
    static func run(
        _ script: String, _ arguments: String..., options: [String] = [], pump: [String] = [], before: String = "true",
        byOrdinaryUser: Bool = false
    ) async throws {
        let base = try TestDirectory()
        func placed(_ text: String) -> String {
            let places = ["PLAIN": "served", "MOUNT": "mounted", "CONTROL": "socket", "A": "a", "B": "b"]
            let head = text.prefix { $0.isUppercase }
            return places[String(head)].map { "\(base.path)/\($0)\(text.dropFirst(head.count))" } ?? text
        }
        for name in ["PLAIN", "MOUNT", "A", "B"] { try FileTree.makeDirectory(placed(name), mode: 0o755) }
        try await shell(
            before.split(separator: " ", omittingEmptySubsequences: false).map { placed(String($0)) }.joined(
                separator: " "))
        let interpreter = script.hasSuffix(".py") ? ["python3", "-B"] : ["bash"]
        let pump = [try TestProgram.path("mount-pump")] + pump.map(placed)
        var server = [try TestProgram.path("sandpiper-mounts")] + options
        if byOrdinaryUser {
            // That user may not be able to reach what was built.
            try await shell("cp \(server[0]) \(base.path)/sandpiper-mounts; chown 61234:61234 \(placed("PLAIN"))")
            server[0] = "\(base.path)/sandpiper-mounts"
            server = ["/usr/bin/setpriv", "--reuid=61234", "--regid=61234", "--clear-groups"] + server
        }
        let command = interpreter + ["\(scripts)/\(script)"] + arguments.map(placed)
        let line = pump + server + ["--", placed("PLAIN"), placed("MOUNT")] + command
        try await shell("exec timeout --kill-after=5 540 " + line.map { "'\($0)'" }.joined(separator: " "))
    }

    /// Runs a line of the shell on a thread of its own, and throws what it prints when it fails.
    static func shell(_ line: String) async throws {
        let (status, text) = try await DedicatedThread.value {
            guard let pipe = popen("exec 2>&1; PATH=/usr/bin:$PATH; \(line)", "r") else {
                return (Int32(-1), "no shell")
            }
            var output: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
            return (pclose(pipe), String(decoding: output, as: UTF8.self))
        }
        #expect(status == 0, "\(text.suffix(4000))")
    }
}

/// The programs that were built for the tests.
enum TestProgram {
    /// The path of a program beside the test bundle, in the folder of the build.
    static func path(_ name: String) throws -> String {
        let folder = CommandLine.arguments.first?.split(separator: "/").dropLast().map { "/" + $0 }.joined() ?? ""
        guard let directory = getcwd(nil, 0) else { throw SystemError("getcwd") }
        defer { free(directory) }
        for place in [folder, String(cString: directory) + "/.build/debug"] where access("\(place)/\(name)", X_OK) == 0
        {
            return "\(place)/\(name)"
        }
        throw SystemError("find", name, number: ENOENT)
    }
}
