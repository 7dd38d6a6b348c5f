import Foundation
import ImageStore
import OCI
import Testing

@Suite("Finding images")
struct LookupTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test(
        "an image is found by its reference in any spelling",
        arguments: [
            "python", "python:latest", "library/python", "docker.io/library/python:latest", "index.docker.io/python",
        ])
    func findsReferences(text: String) throws {
        let image = try fixture.publish("1234", layers: ["a1"], names: ["python"])
        #expect(try fixture.store.resolve(text).digest == image.record.digest)
    }

    @Test("what is stored comes back: record, references, configuration")
    func roundTrips() throws {
        let image = try fixture.publish("1234", layers: ["a1", "b2"], names: ["b:1", "a:2"])
        let found = try fixture.store.resolve("a:2")
        #expect(found.record == image.record)
        #expect(found.references.map(\.familiar) == ["a:2", "b:1"])
        #expect(found.name == "a:2")
        #expect(try found.configuration.command == ["1234"])
    }

    @Test("four digits of a digest are enough when they are unique, with or without the algorithm")
    func findsPrefixes() throws {
        let image = try fixture.publish("abcd1", layers: ["a1"])
        try fixture.publish("abce1", layers: ["a1"])
        for text in ["abcd", "sha256:abcd", "abcd1000", image.record.digest.hex, image.record.digest.description] {
            #expect(try fixture.store.resolve(text).digest == image.record.digest)
        }
        for text in [
            "abc", "sha256:abc", "sha512:abcd", "ABCD", "abcd2", "sha256:", "sha256:abcd:1",
            image.record.digest.hex + "0",
        ] {
            #expect(throws: ImageStoreError.self) { try fixture.store.resolve(text) }
        }
    }

    @Test("digits that begin two digests are refused, and both are told")
    func tellsAmbiguity() throws {
        try fixture.publish("abcd1", layers: ["a1"])
        try fixture.publish("abcd2", layers: ["a1"])
        let error = #expect(throws: ImageStoreError.self) { try fixture.store.resolve("abcd") }
        #expect(error?.description.contains("abcd10000000, abcd20000000") == true)
        #expect(throws: Never.self) { try fixture.store.resolve("abcd2") }
    }

    @Test("a reference goes before a digest that begins the same")
    func prefersReferences() throws {
        try fixture.publish("beef1", layers: ["a1"])
        let named = try fixture.publish("1234", layers: ["a1"], names: ["beef"])
        #expect(try fixture.store.resolve("beef").digest == named.record.digest)
        #expect(try fixture.store.resolve("sha256:beef").digest != named.record.digest)
    }

    @Test("a name with a digest finds the image only under that name")
    func findsNameWithDigest() throws {
        let image = try fixture.publish("1234", layers: ["a1"], names: ["app:1"])
        #expect(try fixture.store.resolve("app@\(image.record.digest)").digest == image.record.digest)
        #expect(try fixture.store.resolve("app:any@\(image.record.digest)").digest == image.record.digest)
        #expect(throws: ImageStoreError.self) { try fixture.store.resolve("other@\(image.record.digest)") }
    }

    @Test("an unknown name is told with those that look like it")
    func suggests() throws {
        try fixture.publish("1234", layers: ["a1"], names: ["localhost/app:2"])
        let error = #expect(throws: ImageStoreError.self) { try fixture.store.resolve("app") }
        #expect(error?.description.contains("did you mean localhost/app:2?") == true)
    }

    @Test("names at the limits of the grammar are stored and listed")
    func storesLongNames() throws {
        let path = (0..<47).map { _ in "abcd" }.joined(separator: "/")
        let names = [
            "h.io/" + String(repeating: "a", count: 250) + ":" + String(repeating: "t", count: 128),
            "[2001:db8::1]:5000/\(path):" + String(repeating: "t", count: 128),
            "app:1@sha512:" + String(repeating: "0", count: 128),
        ]
        try fixture.publish("1234", layers: ["a1"], names: names)
        for name in names { #expect(throws: Never.self) { try fixture.store.resolve(name) } }
        #expect(
            try fixture.store.images().first?.references.map(\.canonical)
                == names.map { try Reference($0).canonical }.sorted())
        _ = try fixture.store.remove("1234", force: true)
        #expect(try fixture.files().isEmpty)
    }

    @Test("images are listed by name, those without one last")
    func lists() throws {
        try fixture.publish("aaaa", layers: ["a1"])
        try fixture.publish("bbbb", layers: ["a1"], names: ["zebra", "mule"])
        try fixture.publish("cccc", layers: ["a1"], names: ["ox"])
        #expect(try fixture.store.images().map(\.digest.short) == ["bbbb", "cccc", "aaaa"].map { $0 + "00000000" })
    }

    @Test("a name given to another image leaves the first one without a name")
    func movesReferences() throws {
        try fixture.publish("aaaa", layers: ["a1"], names: ["app"])
        let second = try fixture.publish("bbbb", layers: ["b1"], names: ["app"])
        #expect(try fixture.store.resolve("app").digest == second.record.digest)
        #expect(try fixture.store.resolve("aaaa").references.isEmpty)
    }

    @Test("a damaged record is told by its path, and the image can be removed")
    func survivesDamage() throws {
        let image = try fixture.publish("aaaa", layers: ["a1"], names: ["app"])
        let path = "\(fixture.home)/store/images/\(image.record.digest.hex).json"
        try Data("{".utf8).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: ImageStoreError.self) { try fixture.store.resolve("app") }
        #expect(error?.description.contains(path) == true)
        #expect(throws: Never.self) { try fixture.store.remove("app") }
        #expect(try fixture.files().isEmpty)
    }
}
