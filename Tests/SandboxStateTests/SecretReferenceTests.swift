import InterceptionProtocol
import SandboxState
import Testing

@Suite("Secrets of records")
struct SecretReferenceTests {
    @Test("what the command line says of a secret")
    func parsing() throws {
        let plain = try SecretReference(parsing: "API_KEY@api.example.com", in: "/work")
        #expect(plain.name == "API_KEY" && plain.source == .variable("API_KEY"))
        #expect(plain.description.hosts.map(\.description) == ["api.example.com"])
        #expect(plain.description.places == [.headers] && !plain.description.allowsPlainHTTP)
        let file = try SecretReference(parsing: "K=@a@b/c@*.example.com:8443,[2001:db8::1]:443", in: "/work")
        #expect(file.source == .file("/work/a@b/c"))
        #expect(file.description.hosts.map(\.description) == ["*.example.com:8443", "[2001:db8::1]:443"])
        #expect(try SecretReference(parsing: "K=@/x@192.0.2.1", in: "/work").source == .file("/x"))
        #expect(try SecretReference(parsing: "K=OTHER@h.example", in: "/").source == .variable("OTHER"))
    }

    @Test(
        "what makes no sense of a secret is refused",
        arguments: [
            "", "K", "K@", "@h.example", "K=@h.example", "K=@@h.example", "1K@h.example", "K-X@h.example",
            "K=A B@h.example",
            "K@h.example,", "K@https://h.example", "K@*", "K@h.example:0",
        ])
    func refused(_ text: String) {
        #expect(throws: StateError.self) { try SecretReference(parsing: text, in: "/") }
    }

    @Test("each has a placeholder of its own, which a label of a name can carry")
    func placeholders() throws {
        let made = try (0..<100).map { _ in try SecretReference(parsing: "K@h.example", in: "/").description.placeholder
        }
        #expect(Set(made).count == 100)
        #expect(made.allSatisfy { $0.utf8.count <= 63 && $0.lowercased() == $0 })
        var settings = InterceptionSettings()
        settings.secrets = [try .init(parsing: "K@h.example", in: "/"), try .init(parsing: "L@h.example", in: "/")]
        try settings.check()
        settings.secrets.append(try .init(parsing: "K@other.example", in: "/"))
        #expect(throws: StateError.self) { try settings.check() }
    }

    @Test("a record keeps where a value is, and one from elsewhere has no interception at all")
    func record() throws {
        var settings = NetworkSettings()
        settings.interception = InterceptionSettings()
        settings.interception?.secrets = [try .init(parsing: "K=@/x@h.example", in: "/")]
        let text = try RecordFile.encode(settings)
        #expect(try RecordFile.decode(NetworkSettings.self, from: text, named: "it") == settings)
        #expect(settings.foreign.interception == nil)
    }
}
