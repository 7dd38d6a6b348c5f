import FoundationEssentials
import LinuxSystem
import Testing

/// A table of cases, which `run_cases.py` runs.
struct NetworkCases {
    /// A line that the program prints.
    private struct Line: Decodable {
        let name: String
        let isFine: Bool
        let wrong: String?

        enum CodingKeys: String, CodingKey {
            case name = "case"
            case isFine = "ok"
            case wrong
        }
    }

    private struct Table: Decodable {
        struct Case: Decodable {
            let name: String
            enum CodingKeys: String, CodingKey { case name = "case" }
        }
        let cases: [Case]
    }

    private let path: String
    /// What each case is called.
    let names: [String]

    init(_ file: String) throws {
        path = "\(Built.network)/\(file)"
        names = try JSONDecoder().decode(Table.self, from: Data(FileTree.read(path, limit: 1 << 20))).cases.map(\.name)
    }

    /// Runs them in a home that has their image, and expects each to be as it should.
    func run(in home: TestHome, _ options: [String] = [], patience: Duration) async throws {
        let found = try await Self.run("run_cases.py", options + [path], in: home, patience: patience)
        #expect(options.isEmpty ? found == names : !found.isEmpty)
    }

    /// Runs a program of the lab's in a home that has the image `network`, and expects that it finds everything as it should
    /// be.
    /// - Returns: what each thing that it has tried is called.
    static func run(
        _ program: String, _ options: [String] = [], in home: TestHome, patience: Duration
    ) async throws -> [String] {
        let words = ["--executables", Built.executables ?? "", "--home", home.path] + options
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let outcome = try await home.host("python3 -B '\(Built.network)/\(program)' \(quoted)", patience: patience)
        let lines = try outcome.lines.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        for line in lines where !line.isFine { Issue.record("\(line.name): \(line.wrong ?? "")") }
        #expect(outcome.status == 0, "\(outcome.error)")
        return lines.map(\.name)
    }
}
