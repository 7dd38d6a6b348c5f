import Engine
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper doctor`: each prerequisite with its state and its cure.
enum Doctor {
    private static let help = """
        OVERVIEW: Check what Sandpiper needs of this host.

        USAGE: sandpiper doctor [--format text|json]

        One line for each prerequisite: good, lacking (sandboxes run slower or with one wall less) or missing (none runs),
        and what to do. The exit status is 1 when something is missing.
        """

    /// Carries out the command; returns its exit status.
    static func run(_ arguments: [String]) throws -> Int32 {
        switch arguments {
        case [], ["--format", "text"], ["--format=text"]: return try report { try print(text($0)) }
        case ["--format", "json"], ["--format=json"]: return try report { try print(json($0)) }
        case ["--help"], ["-h"]:
            try print(help)
            return 0
        default: throw UsageError()
        }
    }

    private struct UsageError: Error, CustomStringConvertible {
        let description = "doctor takes --format text or --format json and nothing else"
    }

    private static func report(_ show: ([Prerequisite]) throws -> Void) throws -> Int32 {
        let home = try Home.current()
        try FileTree.makeDirectory(home.cache)
        let installation = try Installation()
        let found = Inspection(
            cacheDirectory: home.cache, storage: home.path,
            files: [
                ("guest kernel", installation.kernelPath, "run 'make build', or set SANDPIPER_KERNEL"),
                ("guest initramfs", installation.initramfsPath, "run 'make build', or set SANDPIPER_INITRAMFS"),
                ("mke2fs", mke2fs, "sudo apt-get install e2fsprogs"),
            ]
        ).run()
        try show(found)
        return found.contains { $0.state == .missing } ? 1 : 0
    }

    private static var mke2fs: String {
        ["/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs"].first { access($0, X_OK) == 0 } ?? "/usr/sbin/mke2fs"
    }

    private static func text(_ found: [Prerequisite]) -> String {
        let width = found.map(\.name.count).max() ?? 0
        return found.map { item in
            let name = item.name + String(repeating: " ", count: width - item.name.count)
            let state = item.state.rawValue + String(repeating: " ", count: 7 - item.state.rawValue.count)
            return "\(state)  \(name)  \(item.finding)" + (item.cure.map { "\n         to do: \($0)" } ?? "")
        }.joined(separator: "\n")
    }

    private struct Item: Encodable {
        let name, state, finding: String
        let cure: String?
    }

    private static func json(_ found: [Prerequisite]) throws -> String {
        let items = found.map { Item(name: $0.name, state: $0.state.rawValue, finding: $0.finding, cure: $0.cure) }
        return String(decoding: try RecordFile.encode(items).dropLast(), as: UTF8.self)
    }

    private static func print(_ text: String) throws { try Descriptor(duplicating: 1).write(Array((text + "\n").utf8)) }
}
