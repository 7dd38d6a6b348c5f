import Foundation
import Testing

/// Little that becomes much.
@Suite("Bombs", .serialized)
struct HostileSizeTests {
    private static let zeros = [UInt8](repeating: 0, count: 8 << 20)

    /// A layer of one file of 10 GB of zeros, a few MB long, and what diff id it says it has.
    private static func bomb(_ compress: ([UInt8]) throws -> [UInt8]) throws -> [UInt8] {
        let count = 10_000_000_000 / zeros.count
        let header = TarBytes.header(.init(name: Array("zeros".utf8)), contentSize: count * zeros.count)
        // Members and frames in a row are one stream, so that making it costs little.
        let piece = try compress(zeros)
        return try compress(header) + Array(repeating: piece, count: count).joined()
            + compress([UInt8](repeating: 0, count: 1024))
    }

    private static func layer(
        _ name: String, _ fate: HostileArchive.Fate, _ stored: @escaping @Sendable () throws -> [UInt8]
    )
        -> HostileArchive
    {
        HostileArchive(name, fate) { trap in
            try trap.layout.finish([trap.layout.image([(stored(), "sha256:" + String(repeating: "0", count: 64))])])
            return trap.layout.path
        }
    }

    @Test(
        "10 GB of zeros end at the limit that is given, in little memory",
        arguments: [["gzip", "-c"], ["zstd", "-qc"]])
    func limitedBomb(command: [String]) throws {
        try Self.layer("bomb", .refused("limit layerBytes of 100000000")) {
            try Self.bomb { try Layout.filter($0, command[0], command[1]) }
        }.check(["--limit", "layerBytes=100000000"])
    }

    @Test("a compressed archive of 10 GB of zeros ends at the limit that is given, in little memory")
    func limitedArchive() throws {
        try HostileArchive("bomb", .refused("limit archiveBytes of 100000000")) { trap in
            try trap.outside.write(
                Self.bomb { try Layout.filter($0, "gzip", "-c") }, to: "archive.tar.gz")
        }.check(["--limit", "archiveBytes=100000000"])
    }

    @Test("an archive that never ends is refused at the limit that is given")
    func endlessPipe() throws {
        let trap = try Trap()
        let before = try trap.surroundings()
        let outcome = try Tool.run(
            [
                "sh", "-c",
                "(head -c 512 /bin/sh; yes 2>/dev/null) | '\(Tool.image)' load --limit archiveBytes=10000000",
            ],
            environment: trap.home.environment)
        #expect(outcome.status == 125)
        #expect(outcome.error.contains("archiveBytes of 10000000") && outcome.error.split(separator: "\n").count == 1)
        #expect(try trap.surroundings() == before)
        #expect(try trap.home.files().isEmpty)
    }

    @Test("streams that are all wrapping", arguments: wrappings)
    func wrapping(_ archive: HostileArchive) throws { try archive.check() }

    private static let wrappings = [
        layer("a gzip header whose name never ends", .refused("ends too early")) {
            [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3] + [UInt8](repeating: 0x6e, count: 50_000_000)
        },
        layer("a million empty gzip members and nothing else", .refused("diff id")) {
            Array(repeating: try Layout.filter([], "gzip", "-c"), count: 1_000_000).flatMap { $0 }
        },
        layer("half a million zstd frames to be skipped", .refused("diff id")) {
            Array(repeating: [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], count: 500_000).flatMap { $0 }
        },
        layer("a zstd frame to be skipped of 4 GB, of which little comes", .refused("ends too early")) {
            [0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 1000)
        },
    ]

    @Test("a million entries of one layer end at the limit that is given")
    func entries() throws {
        let file = TarBytes.header(.init(name: Array("f".utf8)), contentSize: 0)
        try Self.layer("entries", .refused("more than 100000 entries")) {
            let piece = try Layout.filter(Array(Array(repeating: file, count: 10_000).joined()), "gzip", "-c")
            return Array(Array(repeating: piece, count: 100).joined())
        }.check(["--limit", "entries=100000"])
    }
}
