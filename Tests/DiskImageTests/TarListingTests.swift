import Foundation
import LinuxSystem
import Testing

@testable import DiskImage

@Suite("Archives read by name")
struct TarListingTests {
    private let directory: String

    init() throws {
        directory = FileManager.default.temporaryDirectory.path + "/sandpiper-listing-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    private func tar(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["tar", "-C", directory, "-cf", directory + "/out.tar"] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return directory + "/out.tar"
    }

    private func write(_ text: String, to name: String) throws {
        let url = URL(fileURLWithPath: "\(directory)/\(name)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    private func list(_ path: String, entries: Int = 1000) throws -> TarListing {
        try TarListing(of: Descriptor(opening: path), maximumEntries: entries)
    }

    private func content(_ name: String, _ listing: TarListing, _ path: String) throws -> String? {
        guard let content = listing.content(of: name) else { return nil }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return String(decoding: data.dropFirst(Int(content.offset)).prefix(Int(content.length)), as: UTF8.self)
    }

    @Test(
        "files of every dialect are found, those with long names among them", arguments: ["v7", "ustar", "gnu", "pax"])
    func readsDialects(format: String) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        // Longer than the old field where the dialect has a way to write that.
        let long =
            format == "v7" ? "d/long" : (0..<3).map { _ in String(repeating: "n", count: 70) }.joined(separator: "/")
        try write("short content", to: "a")
        try write("long content", to: long)
        let path = try tar(["--format=\(format)", "./a", long])
        let listing = try list(path)
        #expect(try content("a", listing, path) == "short content")
        #expect(try content("/a", listing, path) == "short content")
        #expect(try content(long, listing, path) == "long content")
        #expect(listing.content(of: "b") == nil)
        #expect(listing.content(of: "") == nil)
    }

    @Test("hard and symbolic links lead to their content, within the archive only")
    func followsLinks() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try write("content", to: "d/file")
        let manager = FileManager.default
        try manager.linkItem(atPath: directory + "/d/file", toPath: directory + "/hard")
        for (name, target) in [
            ("d/relative", "file"), ("up", "d/../d/file"), ("absolute", "/d/file"), ("chain", "up"),
            ("dead", "nothing"),
            ("loop", "loop"), ("outside", "../../../../../../../etc/passwd"),
        ] {
            try manager.createSymbolicLink(atPath: "\(directory)/\(name)", withDestinationPath: target)
        }
        let names = ["hard", "d/relative", "up", "absolute", "chain"]
        let path = try tar(["d/file", "dead", "loop", "outside"] + names)
        let listing = try list(path)
        for name in names { #expect(try content(name, listing, path) == "content", "\(name)") }
        for name in ["dead", "loop", "outside"] { #expect(listing.content(of: name) == nil, "\(name)") }
    }

    @Test("of two files with one name the later counts")
    func takesTheLast() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try write("old", to: "a")
        let path = try tar(["a"])
        try write("newer", to: "a")
        let process = try Process.run(
            URL(fileURLWithPath: "/usr/bin/env"), arguments: ["tar", "-C", directory, "-rf", path, "a"])
        process.waitUntilExit()
        #expect(try content("a", list(path), path) == "newer")
    }

    @Test("a file of 9 GiB is stepped over without being read")
    func stepsOverLargeFiles() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try write("after", to: "after")
        let path = try tar(["--format=gnu", "after"])
        var header = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)).prefix(1024))
        let size: Int64 = 9 << 30
        // The same header for a file called `Ifter` whose size is written in base 256.
        header[0] = UInt8(ascii: "I")
        for index in 0..<12 {
            header[124 + index] =
                index == 0 ? 0x80 : index < 4 ? 0 : UInt8(truncatingIfNeeded: size >> ((11 - index) * 8))
        }
        for index in 148..<156 { header[index] = 32 }
        let sum = header[..<512].reduce(0) { $0 + Int($1) }
        header.replaceSubrange(148..<156, with: Array((String(sum, radix: 8).leftPadded(6) + "\0 ").utf8))
        let big = try Descriptor(opening: directory + "/big.tar", O_RDWR | O_CREAT)
        try header[..<512].withUnsafeBytes { try big.write($0, at: 0) }
        let rest = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        try rest.withUnsafeBytes { try big.write($0, at: 512 + size) }
        let listing = try TarListing(of: big, maximumEntries: 10)
        #expect(listing.content(of: "Ifter") == TarListing.Content(offset: 512, length: size))
        #expect(listing.content(of: "after") == TarListing.Content(offset: 1024 + size, length: 5))
    }

    @Test("every cut of an archive gives what lies before it, or an error")
    func survivesCuts() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let long = String(repeating: "n", count: 150)
        try write("content", to: long)
        try write(String(repeating: "x", count: 700), to: "b")
        let path = try tar(["--format=gnu", long, "b"])
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        for length in stride(from: 0, to: 4608, by: 61) {
            let file = try Descriptor.memory("cut")
            try bytes[..<length].withUnsafeBytes { try file.write($0) }
            guard let listing = try? TarListing(of: file, maximumEntries: 10) else { continue }
            if let content = listing.content(of: "b") { #expect(content.offset + content.length <= Int64(length)) }
        }
    }

    @Test("20,000 random changes give a listing within the file, or an error")
    func survivesChanges() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try write("content", to: "a")
        try write("other", to: String(repeating: "n", count: 150))
        let path = try tar(["--format=pax", "a", String(repeating: "n", count: 150)])
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let file = try Descriptor.memory("changed")
        try bytes.withUnsafeBytes { try file.write($0) }
        for _ in 0..<20_000 {
            let place = Int.random(in: 0..<4096)
            try [UInt8.random(in: 0...255)].withUnsafeBytes { try file.write($0, at: Int64(place)) }
            if let content = (try? TarListing(of: file, maximumEntries: 10))?.content(of: "a") {
                #expect(
                    content.offset >= 0 && content.length >= 0 && content.offset + content.length <= Int64(bytes.count))
            }
            try [bytes[place]].withUnsafeBytes { try file.write($0, at: Int64(place)) }
        }
    }

    @Test("more entries than the limit, and sparse files, are refused")
    func refuses() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for name in ["a", "b", "c"] { try write(name, to: name) }
        let path = try tar(["a", "b", "c"])
        #expect(throws: Never.self) { try list(path, entries: 3) }
        #expect(throws: DiskImageError.self) { try list(path, entries: 2) }
        let sparse = try FileHandle(forWritingTo: URL(fileURLWithPath: directory + "/a"))
        try sparse.truncate(atOffset: 1 << 20)
        for format in ["gnu", "pax"] {
            #expect(throws: DiskImageError.self) { try list(tar(["-S", "--format=\(format)", "a"])) }
        }
    }
}

extension String {
    fileprivate func leftPadded(_ count: Int) -> String {
        String(repeating: "0", count: max(0, count - self.count)) + self
    }
}
