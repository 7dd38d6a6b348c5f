import Foundation
import Testing

/// An archive that means harm, and what must become of it.
struct HostileArchive: Sendable, CustomTestStringConvertible {
    enum Fate: Sendable {
        /// It is refused in one line that holds this text.
        case refused(String)
        /// It is loaded, and its image holds these files: see ``Trap/tree()``. `OUTSIDE` stands for the trap's folder.
        case loaded([String])
    }

    let testDescription: String
    let fate: Fate
    let make: @Sendable (Trap) throws -> String

    /// - Parameter make: makes the archive in the folder of the trap, and returns its path.
    init(_ name: String, _ fate: Fate, make: @escaping @Sendable (Trap) throws -> String) {
        testDescription = name
        self.fate = fate
        self.make = make
    }

    /// An OCI layout of one image with these layers, called `app:1`.
    init(_ name: String, _ fate: Fate, layers: (@Sendable (inout TarBytes, Trap) -> Void)...) {
        self.init(name, fate) { trap in
            let layers = layers.map { build in TarBytes.archive { build(&$0, trap) } }
            try trap.layout.finish([
                trap.layout.image(layers.map { ($0, Layout.digest($0)) }, extra: Layout.name("app:1"))
            ])
            return trap.layout.path
        }
    }

    /// An archive of these files, in this order.
    init(_ name: String, _ fate: Fate, docker files: @escaping @Sendable () throws -> [(String, [UInt8])]) {
        self.init(name, fate) { trap in try trap.outside.write(Self.tar(files()), to: "archive.tar") }
    }

    static func tar(_ files: [(String, [UInt8])]) -> [UInt8] {
        TarBytes.archive { tar in
            for (name, content) in files { tar.add(.init(name: Array(name.utf8)), content: content) }
        }
    }

    /// Loads the archive, and expects its fate, the host as it was, and nothing half-made in the store.
    /// - Parameter options: of the command.
    func check(_ options: [String] = []) throws {
        let trap = try Trap()
        let archive = try make(trap)
        let before = try trap.surroundings()
        let (outcome, memory) = try trap.measured(["load", archive] + options)
        #expect(try trap.surroundings() == before)
        #expect(memory < 200 << 20, "it took \(memory >> 20) MiB")
        #expect(try FileManager.default.contentsOfDirectory(atPath: trap.home.scratch.path + "/store/tmp") == [])
        switch fate {
        case .refused(let text):
            #expect(outcome.status == 125)
            #expect(outcome.output.isEmpty)
            #expect(outcome.error.hasPrefix("sandpiper: load: ") && outcome.error.contains(text), "\(outcome.error)")
            #expect(outcome.error.split(separator: "\n").count == 1)
            #expect(outcome.error.utf8.count < 1500)
            #expect(outcome.error.dropLast().unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
            #expect(try trap.home.files().isEmpty)
        case .loaded(let tree):
            #expect(outcome.status == 0, "\(outcome.error)")
            let outside = trap.outside.path.dropFirst()
            #expect(try trap.tree() == tree.map { $0.replacingOccurrences(of: "OUTSIDE", with: outside) }.sorted())
        }
    }
}

/// A home, and a folder outside it that holds a file no archive may touch.
final class Trap: Sendable {
    let home: Home
    let outside: Scratch
    let layout: Layout

    init() throws {
        home = try Home()
        outside = try Scratch()
        layout = try Layout()
        try outside.write("precious".utf8, to: "victim")
    }

    /// The folder outside, as a name that climbs out of wherever it is taken for relative to.
    var climb: String { String(repeating: "../", count: 40) + outside.path.dropFirst() }

    /// All there is outside the store, with types, sizes, modes, times and targets.
    func surroundings() throws -> [String] {
        try [outside.path, layout.path, home.scratch.path].flatMap { path in
            try Tool.succeed(
                "find", path, "-path", home.scratch.path + "/store", "-prune", "-o", "!", "-path", home.scratch.path,
                "-printf", "%p %y %s %m %T@ %l\n"
            ).split(separator: "\n").map { String($0) }.sorted()
        }
    }

    /// Runs the program, and tells how much memory it held at most, in bytes.
    func measured(_ arguments: [String]) throws -> (Tool.Outcome, Int) {
        let wrapper = """
            import resource, subprocess, sys
            status = subprocess.call(sys.argv[2:])
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            with open(sys.argv[1], "w") as file: file.write(str(peak * 1024))
            sys.exit(status if status >= 0 else 128 - status)
            """
        let scratch = try Scratch()
        let outcome = try Tool.run(
            ["python3", "-c", wrapper, scratch.path + "/peak", Tool.image] + arguments, environment: home.environment)
        let peak = try String(contentsOfFile: scratch.path + "/peak", encoding: .utf8)
        return (outcome, try #require(Int(peak)))
    }

    /// What is in the image `app:1`, directories that are not empty left out: `file = content`, `link -> target`,
    /// `directory/`, and others with `find`'s letter for their type, `fifo (p)`.
    func tree() throws -> [String] {
        let extracted = try home.extract("app:1")
        let root = extracted.path + "/root"
        let lines = try Tool.succeed(
            "find", root, "-mindepth", "1", "!", "(", "-type", "d", "!", "-empty", ")", "-printf", "%P\t%y\t%l\n")
        return try lines.split(separator: "\n").map { line in
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
            let path = parts[0]
            switch parts[1] {
            case "f": return "\(path) = \(try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8))"
            case "l": return "\(path) -> \(parts[2])"
            case "d": return "\(path)/"
            default: return "\(path) (\(parts[1]))"
            }
        }.sorted()
    }
}
