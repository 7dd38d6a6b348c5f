import Testing

@testable import RegistryClient

@Suite("Addresses")
struct AddressTests {
    @Test(
        "are resolved against where they were found",
        arguments: [
            ("https://b.example/x?y=1#z", "https://b.example/x?y=1"),
            ("/v2/a?b=c", "https://r.example:5000/v2/a?b=c"),
            ("next?_state=x%2By", "https://r.example:5000/v2/next?_state=x%2By"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("HTTP://B.example:80", "http://b.example/"),
            ("http://[::1]:5000/a", "http://[::1]:5000/a"),
        ])
    func resolves(text: String, expected: String) throws {
        let base = try #require(WebAddress("https://r.example:5000/v2/base"))
        #expect(WebAddress(text, relativeTo: base)?.text == expected)
    }

    @Test(
        "of other kinds lead nowhere",
        arguments: [
            "file:///etc/passwd", "https://", "https://user:secret@b.example/", "https://a b/", "http://a.example:0/",
            "http://a.example:99999/", "javascript:1", "https://b.example/\u{FC}", "https://b.example/\r\nX: y",
            "http://[:5000/v2/", "http://b.example]/", "http://[b.example/", "http://[::g]/",
        ])
    func refuses(text: String) throws {
        let base = try #require(WebAddress("https://r.example/"))
        #expect(WebAddress(text, relativeTo: base) == nil)
    }

    @Test("take a further parameter")
    func adds() throws {
        let digest = "sha256:abc".queryEncoded
        #expect(
            try #require(WebAddress("https://r/u")).adding("digest", digest).text == "https://r/u?digest=sha256%3Aabc")
        #expect(
            try #require(WebAddress("https://r/u?a=b")).adding("digest", digest).target == "/u?a=b&digest=sha256%3Aabc")
    }

    @Test(
        "plain HTTP is for this host and where the user wants it",
        arguments: [
            ("docker.io", false, ["https://registry-1.docker.io"]),
            ("ghcr.io", false, ["https://ghcr.io"]),
            ("ghcr.io", true, ["https://ghcr.io", "http://ghcr.io"]),
            ("localhost", false, ["https://localhost", "http://localhost"]),
            ("127.0.0.1:5000", false, ["https://127.0.0.1:5000", "http://127.0.0.1:5000"]),
            ("[::1]:5000", false, ["https://[::1]:5000", "http://[::1]:5000"]),
            ("[::1]", false, ["https://[::1]", "http://[::1]"]),
            ("10.0.0.1:5000", false, ["https://10.0.0.1:5000"]),
        ])
    func schemes(registry: String, isInsecure: Bool, expected: [String]) throws {
        let remote = try #require(Remote(registry: registry, isInsecure: isInsecure, certificateFiles: []))
        #expect(
            ([remote.origin] + [remote.plainOrigin].compactMap(\.self)).map { "\($0.scheme)://\($0.authority)" }
                == expected)
    }
}
