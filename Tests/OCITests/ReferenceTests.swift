import OCI
import Testing

private let hex = String(repeating: "0123456789abcdef", count: 4)

@Suite("Image references")
struct ReferenceTests {
    static let valid: [(text: String, canonical: String, familiar: String)] = [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("python:3.12-slim", "docker.io/library/python:3.12-slim", "python:3.12-slim"),
        ("library/python", "docker.io/library/python:latest", "python:latest"),
        ("docker.io/python", "docker.io/library/python:latest", "python:latest"),
        ("docker.io/library/python:3", "docker.io/library/python:3", "python:3"),
        ("index.docker.io/library/python", "docker.io/library/python:latest", "python:latest"),
        ("index.docker.io/user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("a/b/c/d:e", "docker.io/a/b/c/d:e", "a/b/c/d:e"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("quay.io/org/app", "quay.io/org/app:latest", "quay.io/org/app:latest"),
        ("ghcr.io/app", "ghcr.io/app:latest", "ghcr.io/app:latest"),
        ("host:80/app", "host:80/app:latest", "host:80/app:latest"),
        ("host/app", "docker.io/host/app:latest", "host/app:latest"),
        ("127.0.0.1:5000/docker/docker", "127.0.0.1:5000/docker/docker:latest", "127.0.0.1:5000/docker/docker:latest"),
        ("[::1]/app", "[::1]/app:latest", "[::1]/app:latest"),
        ("[2001:db8::1]:5000/a/b:t", "[2001:db8::1]:5000/a/b:t", "[2001:db8::1]:5000/a/b:t"),
        ("[2001:DB8::1]:5000/a", "[2001:DB8::1]:5000/a:latest", "[2001:DB8::1]:5000/a:latest"),
        ("Docker/app", "Docker/app:latest", "Docker/app:latest"),
        ("EXAMPLE.com/app", "EXAMPLE.com/app:latest", "EXAMPLE.com/app:latest"),
        ("xn--n3h.com/app", "xn--n3h.com/app:latest", "xn--n3h.com/app:latest"),
        ("a.b/c.d/e_f__g-h---i", "a.b/c.d/e_f__g-h---i:latest", "a.b/c.d/e_f__g-h---i:latest"),
        ("a.b", "docker.io/library/a.b:latest", "a.b:latest"),
        ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
        ("docker.io/localhost/c", "docker.io/localhost/c:latest", "docker.io/localhost/c:latest"),
        ("app:_tag", "docker.io/library/app:_tag", "app:_tag"),
        ("app:A.b-C_d", "docker.io/library/app:A.b-C_d", "app:A.b-C_d"),
        ("app@sha256:\(hex)", "docker.io/library/app@sha256:\(hex)", "app@sha256:\(hex)"),
        ("app:1@sha256:\(hex)", "docker.io/library/app:1@sha256:\(hex)", "app:1@sha256:\(hex)"),
        ("app@sha512:\(hex)\(hex)", "docker.io/library/app@sha512:\(hex)\(hex)", "app@sha512:\(hex)\(hex)"),
        ("h.io:1/a@sha256:\(hex)", "h.io:1/a@sha256:\(hex)", "h.io:1/a@sha256:\(hex)"),
        ("docker.io/\(hex)", "docker.io/library/\(hex):latest", "\(hex):latest"),
        ("0", "docker.io/library/0:latest", "0:latest"),
    ]

    @Test("what is left out is filled in as Docker does", arguments: valid)
    func fillsIn(text: String, canonical: String, familiar: String) throws {
        let reference = try Reference(text)
        #expect(reference.canonical == canonical)
        #expect(reference.familiar == familiar)
    }

    @Test("both spellings of a reference mean the same reference", arguments: valid)
    func roundTrips(text: String, canonical: String, familiar: String) throws {
        let reference = try Reference(text)
        #expect(try Reference(canonical) == reference)
        #expect(try Reference(familiar) == reference)
    }

    @Test(
        "what Docker refuses is refused",
        arguments: [
            "", "/", ":", "@", "/app", "app/", "a//b", ":tag", "app:", "app:.tag", "app:-tag", "app: tag", "app:a:b",
            "app:é",
            "App", "user/App", "docker.io/User/app", "-app", "app-", "_app", "app_", ".app", "app.", "a..b", "a___b",
            "a._b", "a-.b", "-docker.io/app", "docker-.io/app", "docker..io/app", "https://github.com/docker/docker",
            "docker///docker", "docker.io/docker///docker", "host:/app", "host:port/app", "host:-1/app", "[::1]",
            "[::1]:5000",
            "fc00::1:5000/debian", "[]/app", "[::1/app", "[fe80::1%eth0]:5000/app", "[::1]x/app", "[::1]:/app", "app@",
            "app@sha256", "app@sha256:", "app@sha256:abc", "app@sha256:\(hex)0", "app@sha256:\(hex.uppercased())",
            "app@md5:\(hex)", "app@sha512:\(hex)", "@sha256:\(hex)", "app@sha256:\(hex)@sha256:\(hex)",
            "app@sha256:\(hex):1",
            hex, "a b", "app\n", "app\0", "äpp", "a\u{301}pp", " app", "*", "app?",
        ])
    func refuses(text: String) {
        #expect(throws: OCIError.self) { try Reference(text) }
    }

    @Test("a name may have 255 characters, registry included, and no more")
    func limitsNames() throws {
        let longest = "h.io/" + String(repeating: "a", count: 250)
        #expect(try Reference(longest).repository.utf8.count == 255)
        #expect(throws: OCIError.self) { try Reference(longest + "a") }
        // The part that is filled in counts too.
        let filled = String(repeating: "a", count: 255 - "docker.io/library/".count)
        #expect(try Reference(filled).repository.utf8.count == 255)
        #expect(throws: OCIError.self) { try Reference(filled + "a") }
    }

    @Test("a tag may have 128 characters and no more")
    func limitsTags() throws {
        let tag = String(repeating: "t", count: 128)
        #expect(try Reference("app:" + tag).tag == tag)
        #expect(throws: OCIError.self) { try Reference("app:" + tag + "t") }
    }

    @Test("a name at all its limits at once is read")
    func readsTheLongest() throws {
        let name = "h.io/" + String(repeating: "a", count: 250)
        let text = "\(name):\(String(repeating: "t", count: 128))@sha512:\(hex)\(hex)"
        #expect(try Reference(text).canonical == text)
    }

    @Test("a megabyte of anything is refused at once")
    func refusesHugeTexts() {
        for character in ["a", "/", ":", "@", "[", "."] {
            #expect(throws: OCIError.self) { try Reference(String(repeating: character, count: 1 << 20)) }
        }
    }

    @Test("whatever is accepted round-trips, over 200,000 random texts")
    func survivesRandomTexts() throws {
        var generator = SplitMix(state: 1)
        let pieces = [
            "a", "b9", "A", ".", "-", "_", "__", "/", ":", "@", "[", "]", "::1", "localhost", "docker.io", "library",
        ]
        var accepted = 0
        for _ in 0..<200_000 {
            let count = Int.random(in: 1...7, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            guard let reference = try? Reference(text) else { continue }
            accepted += 1
            #expect(try Reference(reference.canonical) == reference, "\(text)")
            #expect(try Reference(reference.familiar) == reference, "\(text)")
        }
        #expect(accepted > 1000)
    }
}

/// Random numbers that are the same each time.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
