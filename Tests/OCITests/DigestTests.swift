import OCI
import Testing

@Suite("Digests")
struct DigestTests {
    @Test("sha256 and sha512 are read and written")
    func reads() throws {
        for (algorithm, count) in [("sha256", 64), ("sha512", 128)] {
            let text = "\(algorithm):\(String(repeating: "f0", count: count / 2))"
            let digest = try Digest(text)
            #expect(digest.description == text)
            #expect(digest.short == "f0f0f0f0f0f0")
        }
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", ":", "sha256", "sha256:", "sha256:00", "SHA256:\(String(repeating: "0", count: 64))",
            "sha256:\(String(repeating: "A", count: 64))", "sha256:\(String(repeating: "g", count: 64))",
            "sha256:\(String(repeating: "0", count: 63))", "sha256:\(String(repeating: "0", count: 65))",
            "sha256:\(String(repeating: "0", count: 128))", "sha384:\(String(repeating: "0", count: 96))",
            "sha256:\(String(repeating: "0", count: 63))/", "sha256::\(String(repeating: "0", count: 63))",
            " sha256:\(String(repeating: "0", count: 64))", "sha256:\(String(repeating: "\u{665}", count: 32))",
        ])
    func refuses(text: String) {
        #expect(throws: OCIError.invalidDigest(text)) { try Digest(text) }
    }

    @Test("raw bytes become hexadecimal digits")
    func fromBytes() {
        #expect(Digest(.sha256, bytes: (0..<32).map { UInt8($0 * 8) })?.hex.hasPrefix("0008101820") == true)
        #expect(Digest(.sha256, bytes: [1, 2, 3]) == nil)
    }
}
