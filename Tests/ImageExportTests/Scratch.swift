import Glibc
import LinuxSystem

@testable import DiskImage

/// A directory that is taken away at the end.
final class Scratch: Sendable {
    let path: String

    init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/image-export-tests.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileTree.removeTree(path) }

    /// Runs a few lines of shell in the directory and hands back what they print, without the last line feed.
    @discardableResult
    func shell(_ script: String) throws -> String {
        var program = ChildProgram(
            path: "/bin/bash", arguments: ["-euo", "pipefail", "-c", "cd \(path)\numask 022\n" + script])
        program.environment += ["HOME=\(path)", "TMPDIR=\(path)", "XDG_RUNTIME_DIR=\(path)"]
        let outcome = try program.run(outputLimit: 4 << 20)
        var output = String(decoding: outcome.output, as: UTF8.self)
        guard outcome.status == 0 else { throw ScriptFailed(script: script, output: output) }
        if output.hasSuffix("\n") { output.removeLast() }
        return output
    }

    struct ScriptFailed: Error, CustomStringConvertible {
        let script: String
        let output: String
        var description: String { "\(script): \(output)" }
    }

    func read(_ name: String) throws -> [UInt8] { try FileTree.read("\(path)/\(name)", limit: 256 << 20) }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Descriptor(opening: "\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC).write(bytes)
    }

    func names() throws -> [String] { try FileTree.names(in: path) }
}
