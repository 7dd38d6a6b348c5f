import GuestFiles
import Testing

@Suite("Where a copy goes")
struct CopyPlanTests {
    private func plan(
        _ source: String, _ isDirectory: Bool, _ target: String, _ which: CopyPlan.Target
    ) throws -> (String, String) {
        let plan = try CopyPlan(
            CopyPlan.Source(Array(source.utf8)), isDirectory: isDirectory, to: Array(target.utf8), which: which)
        return (String(decoding: plan.directory, as: UTF8.self), String(decoding: plan.name, as: UTF8.self))
    }

    @Test(
        "each pair of source and target has its place",
        arguments: [
            ("f", false, "/a/b", CopyPlan.Target.nothing, "/a", "b"), ("x/f", false, "/a/b", .directory, "/a/b", "f"),
            ("f", false, "/a/b", .other, "/a", "b"), ("d", true, "b", .nothing, ".", "b"),
            ("d/", true, "/b", .nothing, "/", "b"),
            ("d/.", true, "/b", .nothing, "/", "b"), ("d", true, "/b", .directory, "/b", "d"),
            ("d/.", true, "/b/", .directory, "/b/", "."), ("/", true, "/b", .directory, "/b", "."),
            ("..", true, "/b", .directory, "/b", "."), ("d/./", true, "/b", .directory, "/b", "."),
            ("d", true, "/b/", .nothing, "/", "b"), (".", true, "new", .nothing, ".", "new"),
        ])
    func places(
        _ source: String, _ isDirectory: Bool, _ target: String, _ which: CopyPlan.Target, _ directory: String,
        _ name: String
    ) throws {
        #expect(try plan(source, isDirectory, target, which) == (directory, name))
    }

    @Test(
        "what does not fit is refused",
        arguments: [
            ("f", false, "/b/", CopyPlan.Target.nothing), ("f/", false, "/b", .directory),
            ("f/.", false, "/b", .directory),
            ("d", true, "/b", .other), ("f", false, "/b/", .other), ("f", false, "..", .nothing),
        ])
    func refused(_ source: String, _ isDirectory: Bool, _ target: String, _ which: CopyPlan.Target) {
        #expect(throws: GuestFilesError.self) { try plan(source, isDirectory, target, which) }
    }
}
