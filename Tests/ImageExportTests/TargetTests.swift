import Glibc
import ImageStore
import LinuxSystem
import OCI
import Testing

@testable import ImageExport

/// An archive is there in whole or not at all.
@Suite("Where archives go")
struct TargetTests {
    let test: TestStore
    var scratch: Scratch { test.scratch }

    init() throws { test = try TestStore() }

    @Test("the same images make the same archive", arguments: ImageArchive.allCases)
    func deterministic(kind: ImageArchive) throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .gzip), test.layer("b", "two", .plain)])
        for name in ["first", "second"] { try kind.save([image], name, in: scratch) }
        #expect(try scratch.read("first") == scratch.read("second"))
        #expect(try scratch.shell("tar -tvf first | awk '{ print $2, $4 }' | sort -u") == "0/0 1970-01-01")
    }

    @Test("an archive goes through a pipe", arguments: ImageArchive.allCases)
    func pipe(kind: ImageArchive) throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .gzip), test.layer("b", "two", .plain)])
        try kind.save([image], "file", in: scratch)
        let (reading, writing) = try Descriptor.pipe()
        let expected = try scratch.read("file")
        // Small enough for the buffer of a pipe, or else nobody would read.
        try #require(expected.count <= 65_536)
        try kind.save([OutgoingImage(image, names: image.references)], to: .stream(writing))
        var buffer = [UInt8](repeating: 0, count: expected.count + 1)
        let count = try buffer.withUnsafeMutableBytes { try reading.read(into: $0) }
        #expect(buffer[..<count].elementsEqual(expected))
    }

    @Test("a damaged layer is told, and leaves the old file and nothing else", arguments: ImageArchive.allCases)
    func damaged(kind: ImageArchive) throws {
        let layers = [try test.layer("a", "one", .gzip), try test.layer("b", "two", .plain)]
        let image = try test.add("a:1", layers: layers)
        let outgoing = try OutgoingImage(image, names: [])
        try scratch.write(Array("old".utf8), to: "file")
        let before = try scratch.names()
        for (layer, file, change) in [
            (layers[0], "archive", "printf X | dd of=FILE bs=1 seek=30 conv=notrunc status=none"),
            (layers[0], "archive", "truncate -s 20 FILE"),
            (layers[1], "data", "printf X | dd of=FILE bs=1 seek=1 conv=notrunc status=none"),
            (layers[1], "tar", "printf X | dd of=FILE bs=1 seek=40 conv=notrunc status=none"),
        ] {
            let path = test.path(layer, file)
            try scratch.shell("cp \(path) saved; " + change.replacing("FILE", with: path))
            do {
                try kind.save([outgoing], to: .file(scratch.path + "/file"))
                Issue.record("saved with \(file) damaged by \(change)")
            } catch {
                guard case .damaged(let what, _) = error else { throw error }
                #expect(what == "layer \(layer.diffID.short)" || what.hasSuffix(layer.descriptor.digest.hex))
            }
            try scratch.shell("mv saved \(path)")
            #expect(try scratch.names() == before)
            #expect(try scratch.read("file") == Array("old".utf8))
        }
        try kind.save([outgoing], to: .file(scratch.path + "/file"))
        #expect(try scratch.names() == before)
    }

    @Test("a layer that was unpacked without being kept is told")
    func notKept() throws {
        let layer = try test.layer("a", "one", .plain)
        let image = try test.add("a:1", layers: [layer])
        try FileTree.removeFile(test.path(layer, "tar"))
        #expect(throws: ImageExportError.notKept(layer.diffID)) { try OutgoingImage(image, names: []) }
    }

    @Test("an image that is removed meanwhile is told")
    func removed() throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .plain)])
        let outgoing = try OutgoingImage(image, names: [])
        _ = try test.store.remove("a:1", force: false)
        #expect(throws: ImageExportError.store(.notFound("a:1", similar: []))) {
            try ImageArchive.oci.save([outgoing], to: .file(scratch.path + "/file"))
        }
        #expect(try !scratch.names().contains { $0.contains("file") })
    }

    @Test("a full device is told")
    func full() throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .plain)])
        #expect(throws: ImageExportError.system(SystemError("write", number: ENOSPC))) {
            try ImageArchive.oci.save([OutgoingImage(image, names: [])], to: .file("/dev/full"))
        }
        #expect(FileTree.exists("/dev/full"))
    }

    @Test("a link is followed to the file that it names, and the umask decides on the mode")
    func link() throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .plain)])
        try scratch.shell("mkdir d; echo old > d/file; ln -s d/file link")
        try ImageArchive.oci.save([image], "link", in: scratch)
        #expect(try scratch.shell("readlink link; tar -tf d/file | sed -n 1p; ls -A d") == "d/file\noci-layout\nfile")
        try ImageArchive.oci.save([image], "new", in: scratch)
        let mask = umask(0o77)
        umask(mask)
        #expect(try scratch.shell("stat -c %a new") == String(0o666 & ~mask, radix: 8))
        #expect(throws: ImageExportError.isDirectory(path: scratch.path + "/d")) {
            try ImageArchive.oci.save([image], "d", in: scratch)
        }
    }

    @Test("what is half-made goes when it is discarded, also while it is written")
    func discarded() throws {
        for target in [
            try ArchiveTarget.file(scratch.path + "/file"), try ArchiveTarget.directory(scratch.path + "/tree"),
        ] {
            let before = try scratch.names()
            let sink = try target.open()
            try sink.addDirectory("d")
            try sink.addFile("d/f", [1])
            #expect(try scratch.names() != before)
            target.discard()
            #expect(try scratch.names() == before)
            #expect(throws: ImageExportError.self) { try target.publish() }
        }
    }
}
