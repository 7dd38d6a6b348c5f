import Testing

@testable import DiskImage

/// Entries whose name cleans to nothing: the image's root.
@Suite("The root of an image")
struct RootEntryTests {
    private func layer(_ name: String, type: Character) throws -> LayerIndex {
        try Workspace().layer(TarBytes.archive { $0.add(name, type: type, link: "target") })
    }

    @Test(
        "only a directory can be the root, however its name is written",
        arguments: ["/", "./", "a/../"], ["1", "2", "3", "4", "6", "7", "S", "Z"] as [Character])
    func refused(name: String, type: Character) {
        // The writer's own refusal: an index with such a root is refused as damaged, which says nothing of the archive.
        #expect(throws: DiskImageError.entry(path: "/", reason: "the root of the image can only be a directory")) {
            try layer(name, type: type)
        }
    }

    @Test("a directory can be the root", arguments: ["5", "D", "0", "\u{0}"] as [Character])
    func accepted(type: Character) throws {
        #expect(try layer("./", type: type).entryCount == 1)
    }
}
