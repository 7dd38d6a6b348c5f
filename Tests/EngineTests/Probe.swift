import Glibc
import LinuxSystem

@testable import Engine

/// The program `jail-probe`, started as an engine is.
struct Probe {
    let process: JailedProcess
    let walls: Walls
    private let output: Descriptor

    /// How a probe ended, and what it printed.
    struct Result {
        let exit: JailedProcess.Exit
        let output: String
        let walls: Walls
    }

    /// Starts the probe; `passing` becomes its descriptor 3.
    init(_ arguments: [String], passing: Descriptor? = nil) throws {
        let pipe = try Descriptor.pipe()
        let jail = EngineJail(
            binary: try TestProgram.path("jail-probe"), arguments: ["jail-probe"] + arguments,
            descriptors: [try Descriptor(opening: "/dev/null"), pipe.write, pipe.write] + (passing.map { [$0] } ?? []),
            accelerator: .emulated, fileLimit: 8192, memoryLimit: 1 << 30, userNumber: 7)
        (process, walls) = try jail.start()
        output = pipe.read
    }

    /// Runs the probe to its end.
    static func run(_ arguments: String..., passing: Descriptor? = nil) throws -> Result {
        try Probe(arguments, passing: passing).finish()
    }

    /// Waits for its end.
    consuming func finish() throws -> Result {
        let text = String(decoding: try output.readAll(limit: 1 << 16), as: UTF8.self)
        let exit = try process.reap()
        return Result(exit: exit, output: text.split(separator: "\n").first.map(String.init) ?? "", walls: walls)
    }

    /// The next line that it prints.
    func line() throws -> String {
        var text: [UInt8] = []
        var byte: [UInt8] = [0]
        while try byte.withUnsafeMutableBytes({ try output.read(into: $0) }) == 1, byte[0] != UInt8(ascii: "\n") {
            text += byte
        }
        return String(decoding: text, as: UTF8.self)
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

/// A file of the test's own that ends with it.
final class TestFile {
    let path: String

    init(_ bytes: [UInt8] = []) throws {
        path = "/tmp/sandpiper-test-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileTree.writeAtomically(bytes, to: path)
    }

    deinit { unlink(path) }
}

/// What `/proc` tells of a process.
struct ProcessView {
    let pid: pid_t
    let status: [String: String]
    let limits: [String: [String]]
    let descriptors: [Int: String]
    let environment: [UInt8]
    let workingDirectory: String
    let session: pid_t
    let terminal: Int
    let networkInterfaces: [String]

    init(pid: pid_t) throws {
        func text(_ file: String) throws -> String {
            String(decoding: try FileTree.read("/proc/\(pid)/\(file)"), as: UTF8.self)
        }
        self.pid = pid
        status = try text("status").split(separator: "\n").reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[String(parts[0])] = parts[1].trimmingSpaces }
        }
        limits = try text("limits").split(separator: "\n").dropFirst().reduce(into: [:]) { fields, line in
            let name = line.prefix(25).trimmingSpaces
            fields[name] = line.dropFirst(25).split(separator: " ").prefix(2).map(String.init)
        }
        descriptors = try FileTree.names(in: "/proc/\(pid)/fd").reduce(into: [:]) { fields, name in
            if let number = Int(name) { fields[number] = Self.target("/proc/\(pid)/fd/\(name)") }
        }
        environment = try FileTree.read("/proc/\(pid)/environ")
        workingDirectory = Self.target("/proc/\(pid)/cwd")
        // Of stat's fields after the name: state, parent, group, session, terminal.
        let fields = try text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        session = fields.count > 4 ? pid_t(fields[3]) ?? -1 : -1
        terminal = fields.count > 4 ? Int(fields[4]) ?? -1 : -1
        networkInterfaces = try text("net/dev").split(separator: "\n").dropFirst(2).map {
            $0.prefix { $0 != ":" }.trimmingSpaces
        }
    }

    /// Whether the process and this one are in different namespaces of a kind.
    func isAlone(in kind: String) throws -> Bool {
        let its = Self.target("/proc/\(pid)/ns/\(kind)")
        return !its.isEmpty && its != Self.target("/proc/self/ns/\(kind)")
    }

    private static func target(_ link: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(link, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(count, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmingSpaces: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
