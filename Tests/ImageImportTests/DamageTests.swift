import Foundation
import ImageImport
import OCI
import Testing

@Suite("Damaged archives")
struct DamageTests {
    let home: Home
    let real: RealImages

    init() throws {
        home = try Home()
        real = try RealImages.shared.get()
    }

    @Test(
        "an archive cut short changes nothing and leaves nothing",
        arguments: [\RealImages.oci, \RealImages.docker], ["", ".gz", ".zst"])
    func survivesCuts(archive: KeyPath<RealImages, String> & Sendable, suffix: String) throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: real[keyPath: archive] + suffix))
        // The last blocks of a plain archive are padding, without which it is whole.
        let end = suffix.isEmpty ? whole.count - 10_240 : whole.count
        for length in [0, 1, 100, 511, 512, 513, 1024, 5000, end / 4, end / 2, end - 600, end - 1] {
            let scratch = try Scratch()
            let path = try scratch.write(whole.prefix(length), to: "cut")
            #expect(throws: ImageImportError.self, "\(length) bytes") { try home.load(path) }
            #expect(try home.files().isEmpty)
        }
    }

    @Test("a changed byte anywhere is found, or does no harm", arguments: [\RealImages.oci, \RealImages.docker])
    func survivesChanges(archive: KeyPath<RealImages, String> & Sendable) throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: real[keyPath: archive]))
        let expected = try Home().load(real[keyPath: archive]).map(\.digest)
        var refused = 0
        for number in 0..<60 {
            var changed = whole
            // Half of the places near the ends, where headers and documents are.
            let place = number % 2 == 0 ? Int.random(in: 0..<whole.count) : whole.count - 1 - Int.random(in: 0..<16_384)
            changed[place] ^= UInt8.random(in: 1...255)
            let scratch = try Scratch()
            let path = try scratch.write(changed, to: "changed")
            let home = try Home()
            do {
                let images = try home.load(path).map(\.digest)
                #expect(images == expected, "byte \(place)")
            } catch is ImageImportError {
                refused += 1
                #expect(try home.files().isEmpty, "byte \(place)")
            }
        }
        #expect(refused > 0)
    }

    @Test("a damaged archive beside a whole one leaves the whole one")
    func keepsOthers() throws {
        try home.load(real.oci)
        let files = try home.files()
        let whole = try Data(contentsOf: URL(fileURLWithPath: real.docker))
        let scratch = try Scratch()
        let path = try scratch.write(whole.prefix(whole.count / 2), to: "cut")
        #expect(throws: ImageImportError.self) { try home.load(path) }
        #expect(try home.files() == files)
    }

    @Test(
        "what is no archive is told so",
        arguments: ["", "x", String(repeating: "text ", count: 1000), String(repeating: "\0", count: 10_240)])
    func refusesOthers(content: String) throws {
        let scratch = try Scratch()
        let error = #expect(throws: ImageImportError.self) { try home.load(scratch.write(content.utf8, to: "file")) }
        #expect(
            error?.description.contains("no docker or OCI archive") == true
                || error?.description.contains("damaged") == true)
    }

    @Test("a tar archive of other things, and a directory of other things, are told so")
    func refusesOtherArchives() throws {
        let scratch = try Scratch()
        let path = try scratch.write(Layout.tar("hello", [1]), to: "other.tar")
        for path in [path, scratch.path] {
            let error = #expect(throws: ImageImportError.self) { try home.load(path) }
            #expect(error?.description.contains("index.json") == true)
        }
    }

    @Test("more entries than the limit are refused by its name")
    func limitsEntries() throws {
        var limits = ImportLimits()
        limits.archiveEntries = 3
        let error = #expect(throws: ImageImportError.self) { try home.load(real.docker, limits: limits) }
        #expect(error?.description.contains("more than 3 entries") == true)
    }

    @Test("a compressed archive that becomes too long is refused by the limit's name")
    func limitsLength() throws {
        var limits = ImportLimits()
        limits.archiveBytes = 100_000
        let error = #expect(throws: ImageImportError.self) { try home.load(real.docker + ".gz", limits: limits) }
        #expect(error?.description.contains("archiveBytes of 100000") == true)
        #expect(try home.files().isEmpty)
    }
}
