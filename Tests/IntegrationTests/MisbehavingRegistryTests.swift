import LinuxSystem
import Testing

/// `pull` and `push` with a registry that misbehaves: what can be had is had, the rest is told in one line, and nothing
/// is left of it.
@Suite(.needsMachines) struct MisbehavingRegistryTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let kind: String
        let fault: String?
        let options: [String]
        /// What the error says; `nil` when the image comes in.
        let refusal: String?

        init(_ kind: String = "whole", fault: String? = nil, _ options: [String] = [], refused refusal: String? = nil) {
            testDescription = ([kind] + [fault].compactMap(\.self) + options).joined(separator: " ")
            self.kind = kind
            self.fault = fault
            self.options = options
            self.refusal = refusal
        }
    }

    @Test("what a registry serves", arguments: kinds)
    func serves(_ row: Case) async throws { try await check(row) }

    private static let kinds = [
        Case("mixed-layers"), Case("docker-types"), Case("sha512"), Case("foreign-layer"), Case("platforms"),
        Case("nested", ["--count", "4"]), Case("nested", ["--count", "1000"], refused: "deep"),
        Case("attestation-only", refused: "unknown/unknown"), Case("other-platform", refused: "linux/s390x"),
        Case("helm", refused: "no container image: its configuration is application/vnd.cncf.helm.config"),
        Case("artifact", refused: "no container image"), Case("schema1", refused: "schema 1"),
        Case("encrypted-layer", refused: "unsupported type"), Case("unknown-layer", refused: "unsupported type"),
        Case("no-layers", refused: "no layers"), Case("not-json", refused: "no valid JSON"),
        Case("truncated-manifest", refused: "no valid JSON"), Case("big-manifest", refused: "maximumSize"),
        Case("big-configuration", refused: "maximumSize"), Case("deep-manifest", refused: "nested deeper"),
        Case("deep-configuration", refused: "nested deeper"), Case("many-layers", refused: "maximumSize"),
        Case("many-layers", ["--count", "20000"], refused: "limit layers of 127"),
        Case("wide-index", refused: "maximumSize"),
        Case("wide-index", ["--count", "20000"], refused: "more than 4096"),
        Case("wrong-blob", refused: "layer"), Case("wrong-configuration", refused: "not what it should be"),
        Case("short-blob", refused: "not what it should be"), Case("long-blob", refused: "not what it should be"),
        Case("missing-blob", refused: "layer"), Case("wrong-diff-id", refused: "diff id"),
        Case("more-diff-ids", refused: "diff ids"), Case("negative-size", refused: "negative size"),
        Case("huge-size", refused: "limit layerBytes"), Case("overflowing-size", refused: "JSON"),
        Case("path-as-digest", refused: "digest"),
    ]

    @Test("how a registry serves it", arguments: faults)
    func misbehaves(_ row: Case) async throws { try await check(row) }

    private static let faults = [
        Case(fault: "cut", ["--bytes", "100000"]), Case(fault: "cut", ["--times", "3"]),
        Case(fault: "cut", ["--times", "3", "--no-ranges"]), Case(fault: "cut", ["--times", "2", "--reset"]),
        Case(fault: "cut", refused: "in the middle"), Case(fault: "cut", ["--no-ranges"], refused: "in the middle"),
        Case(fault: "changing", refused: "layer"), Case(fault: "wrong-range", refused: "bytes"),
        Case(fault: "cut-manifest", ["--times", "2"]), Case(fault: "hang-up", ["--times", "2"]),
        Case(fault: "busy", ["--times", "2"]), Case(fault: "busy", ["--times", "1", "--retry-after", "date"]),
        Case(fault: "busy", ["--times", "1", "--retry-after", "none"]),
        Case(fault: "busy", ["--times", "1", "--retry-after", "-17"]),
        Case(fault: "busy", ["--retry-after", "0"], refused: "429"), Case(fault: "unavailable", ["--times", "2"]),
        Case(fault: "unavailable", ["--retry-after", "0"], refused: "503"), Case(fault: "failing", ["--times", "1"]),
        Case(fault: "failing", refused: "500"), Case(fault: "denied", refused: "requested access"),
        Case(fault: "redirect"), Case(fault: "redirect-relative"), Case(fault: "redirect-loop", refused: "loop"),
        Case(fault: "redirect-endless", refused: "limit redirects"), Case(fault: "redirect-nowhere", refused: "307"),
        Case(fault: "redirect-nowhere", ["--location", "file:///etc/passwd"], refused: "redirect"),
        Case(fault: "redirect-nowhere", ["--location", "http://"], refused: "redirect"),
        Case(fault: "endless-blob", refused: ""), Case(fault: "endless-manifest", refused: "maximumSize"),
        Case(fault: "endless-error", refused: "400"), Case(fault: "endless-headers", refused: "registry"),
        Case(fault: "huge-header", refused: "registry"), Case(fault: "length-too-long", refused: "layer"),
        Case(fault: "length-too-short", refused: "layer"), Case(fault: "length-nonsense", refused: ""),
        Case(fault: "no-length"), Case(fault: "chunked", ["--bytes", "7000"]), Case(fault: "no-type"),
        Case(fault: "odd-type"), Case(fault: "login-page", refused: ""), Case(fault: "not-http", refused: ""),
        Case(fault: "wrong-digest-header", refused: "digest"), Case(fault: "moving-tag"),
        Case(fault: "stall", ["--bytes", "100000", "--times", "1"]),
        Case("gzip-bomb", ["--bytes", "300000000"], refused: "diff id"),
    ]

    /// Pulls, and expects what the row says, the home as before if it was refused, and an end in time and memory.
    private func check(_ row: Case) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(serving: row.kind, fault: row.fault, row.options) { registry in
                let name = "\(registry.address)/busybox:1"
                let pull = try await home.host("prlimit --as=4000000000 sandpiper pull -q \(name)")
                #expect(try FileTree.names(in: "\(home.path)/store/tmp") == [])
                if let refusal = row.refusal {
                    #expect(pull.status == 125)
                    #expect(pull.output == "")
                    #expect(pull.errorLines.count == 1 && pull.error.hasPrefix("sandpiper: pull"), "\(pull.error)")
                    #expect(refusal.isEmpty || pull.error.contains(refusal), "\(pull.error)")
                    #expect(pull.error.utf8.count < 1000)
                    #expect(
                        pull.error.dropLast().unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
                    #expect(try await home.listing() == [])
                } else {
                    #expect(pull.output == "\(name)\n", "\(pull.error)")
                    #expect(pull.error == "")
                }
            }
        }
    }

    @Test(
        "credentials go to the registry alone, wherever it sends the client",
        arguments: ["redirect", "foreign-location"])
    func keepsCredentials(fault: String) async throws {
        try await TestHome.with { home in
            try await TestServer.misbehaving(fault: fault, ["--basic", "ann:secret"]) { registry in
                let login = try await home.sandpiper(
                    "login", "-u", "ann", "--password-stdin", registry.address, input: "secret")
                #expect(login.status == 0, "\(login.error)")
                let name = "\(registry.address)/layers:1"
                if fault == "redirect" {
                    let pull = try await home.sandpiper("pull", "--quiet", name)
                    #expect(pull.status == 0, "\(pull.error)")
                } else {
                    #expect(try await home.sandpiper("load", "--name", name, Built.image("layers.tar")).status == 0)
                    let push = try await home.sandpiper("push", "--quiet", name)
                    #expect(push.status == 0, "\(push.error)")
                }
                let requests = try registry.requests()
                #expect(requests.contains { $0.server == "main" && $0.authorization == "basic" })
                #expect(requests.contains { $0.server == "other" })
                #expect(requests.allSatisfy { $0.server == "main" || $0.authorization == nil })
            }
        }
    }

    @Test("a broken connection goes on where it broke if the registry can, else from the start")
    func resumes() async throws {
        for (options, resumes) in [([], true), (["--no-ranges"], false)] {
            try await TestHome.with([]) { home in
                try await TestServer.misbehaving(
                    fault: "cut", ["--bytes", "300000", "--times", "2"] + options
                ) { registry in
                    let pull = try await home.sandpiper("pull", "--quiet", "\(registry.address)/busybox:1")
                    #expect(pull.status == 0, "\(pull.error)")
                    let ranges = try registry.requests().compactMap(\.range)
                    // What had arrived at the moment of the break need not be all that was sent.
                    let starts = ranges.compactMap { $0.dropFirst(6).split(separator: "-").first.flatMap { Int($0) } }
                    #expect(starts.count == 2 && starts.allSatisfy { (1...600_000).contains($0) })
                    #expect(!resumes || (starts.last ?? 0) > (starts.first ?? 0))
                }
            }
        }
    }

    @Test(
        "a registry that gives a byte a second is not waited for",
        arguments: ["slow-headers", "slow-body", "slow-manifest"])
    func slow(fault: String) async throws {
        try await check(Case(fault: fault, refused: "too slow"))
    }

    @Test(
        "uploads go on where the registry says, and again where it failed",
        arguments: [
            ["relative-location"], ["foreign-location"], ["no-upload-range"], ["cut-upload", "--times", "1"],
            ["unavailable-upload", "--times", "1"], ["busy", "--times", "1", "--retry-after", "0"],
        ])
    func uploads(fault: [String]) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(fault: fault[0], Array(fault.dropFirst())) { registry in
                let name = "\(registry.address)/layers:1"
                #expect(try await home.sandpiper("load", "--name", name, Built.image("layers.tar")).status == 0)
                let push = try await home.sandpiper("push", "--quiet", name)
                #expect(push.status == 0, "\(push.error)")
                let digest = try await home.sandpiper("images", "--quiet")
                let seen = try await home.host(
                    "skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(name)")
                #expect(seen.output == digest.output, "\(seen.error)")
            }
        }
    }

    @Test("a push that cannot be is told in one line", arguments: ["no-location", "denied", "cut-upload", "failing"])
    func refusedUploads(fault: String) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.misbehaving(fault: fault) { registry in
                let name = "\(registry.address)/layers:1"
                #expect(try await home.sandpiper("load", "--name", name, Built.image("layers.tar")).status == 0)
                let before = try await home.listing()
                let push = try await home.sandpiper("push", "--quiet", name)
                #expect(push.status == 125 && push.output == "")
                #expect(push.errorLines.count == 1 && push.error.hasPrefix("sandpiper: push"), "\(push.error)")
                #expect(try await home.listing() == before)
            }
        }
    }
}
