import Foundation
import Testing

/// Runs programs.
enum Tool {
    struct Outcome {
        var status: Int32
        var signal: Int32?
        var output: Data
        var error: String

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// The program under test, which lies beside the tests.
    static let image: String = {
        let here = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: here).deletingLastPathComponent().path + "/sandpiper-image"
    }()

    static let isRoot = getuid() == 0

    /// Starts a program without waiting for it.
    static func start(
        _ arguments: [String], input: Any? = FileHandle.nullDevice, environment: [String: String] = [:],
        output: Any? = nil
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = output ?? FileHandle.nullDevice
        process.standardError = output ?? FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Runs a program to its end.
    static func run(
        _ arguments: [String], input: String? = nil, environment: [String: String] = [:]
    ) throws -> Outcome {
        let directory = try Scratch()
        let paths = (directory.path + "/out", directory.path + "/err")
        for path in [paths.0, paths.1] { try Data().write(to: URL(fileURLWithPath: path)) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput =
            try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? .nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths.0))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths.1))
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus,
            signal: process.terminationReason == .uncaughtSignal ? process.terminationStatus : nil,
            output: try Data(contentsOf: URL(fileURLWithPath: paths.0)),
            error: String(decoding: try Data(contentsOf: URL(fileURLWithPath: paths.1)), as: UTF8.self))
    }

    /// Runs a program that must succeed, and returns what it prints without the last line's end.
    @discardableResult
    static func succeed(_ arguments: String..., input: String? = nil) throws -> String {
        let outcome = try run(arguments, input: input)
        guard outcome.status == 0, outcome.signal == nil else {
            throw Failure(description: "\(arguments.joined(separator: " ")): \(outcome.error)")
        }
        return outcome.text.trimmingCharacters(in: .newlines)
    }

    /// The digest that sha256sum tells.
    static func sha256(_ path: String) throws -> String {
        "sha256:" + (try succeed("sha256sum", path).prefix(64))
    }

    struct Failure: Error, CustomStringConvertible { let description: String }
}

/// A directory that goes with its last reference.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/sandpiper-import-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ data: some Sequence<UInt8>, to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: file).deletingLastPathComponent().path, withIntermediateDirectories: true)
        try Data(data).write(to: URL(fileURLWithPath: file))
        return file
    }
}
