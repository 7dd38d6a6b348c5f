import OCI
import Testing

private let a = "sha256:" + String(repeating: "a", count: 64)
private let b = "sha256:" + String(repeating: "b", count: 64)

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite("Manifests")
struct ManifestTests {
    @Test("a manifest of the OCI specification is read")
    func readsOCI() throws {
        // The example of the OCI image specification, "Example Image Manifest", shortened.
        let manifest = try Manifest(
            decoding: bytes(
                """
                {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                 "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 7023, "digest": "\(a)"},
                 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 32654, "digest": "\(b)"}],
                 "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1, "digest": "\(a)"},
                 "annotations": {"com.example.key1": "value1"}}
                """))
        #expect(manifest.config.size == 7023)
        #expect(try manifest.layers.map(\.digest) == [Digest(b)])
        #expect(manifest.annotations == ["com.example.key1": "value1"])
    }

    @Test("a manifest of Docker's schema 2 is read")
    func readsDocker() throws {
        let manifest = try Manifest(
            decoding: bytes(
                """
                {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "\(a)"},
                 "layers": [
                  {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1, "digest": "\(b)"},
                  {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 1, "digest": "\(b)",
                   "urls": ["http://example.com/x"]}]}
                """))
        #expect(manifest.layers.count == 2)
    }

    @Test(
        "all layer types of the specifications are layers",
        arguments: [
            "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ])
    func knowsLayers(text: String) { #expect(MediaType(rawValue: text).kind == .layer) }

    @Test(
        "what is no image is refused with the reason",
        arguments: [
            ("{}", "schemaVersion"), ("[]", "type"), ("", "JSON"), ("nonsense", "JSON"),
            ("{\"schemaVersion\": 1}", "missing"),
            (
                """
                {"schemaVersion": 1, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1,
                 "digest": "\(a)"}, "layers": []}
                """, "schema version 1"
            ),
            (
                """
                {"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "size": 1,
                 "digest": "\(a)"}, "layers": []}
                """, "no container image"
            ),
            (
                """
                {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1,
                 "digest": "\(a)"}, "layers": [{"mediaType": "application/x-zip", "size": 1, "digest": "\(b)"}]}
                """, "unsupported type"
            ),
            (
                """
                {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": -1,
                 "digest": "\(a)"}, "layers": []}
                """, "negative size"
            ),
            (
                """
                {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1e300,
                 "digest": "\(a)"}, "layers": []}
                """, "JSON"
            ),
            (
                """
                {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1,
                 "digest": "../../etc/passwd"}, "layers": []}
                """, "digest"
            ),
        ])
    func refuses(text: String, reason: String) {
        let error = #expect(throws: OCIError.self) { try Manifest(decoding: bytes(text)) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("\n") == false)
    }

    @Test("a manifest that is written is read again, and always written the same")
    func roundTrips() throws {
        let manifest = Manifest(
            config: ContentDescriptor(mediaType: .configuration, digest: try Digest(a), size: 3),
            layers: [ContentDescriptor(mediaType: .layer, digest: try Digest(b), size: 4)])
        let encoded = try BoundedJSON.encode(manifest)
        #expect(try Manifest(decoding: encoded) == manifest)
        #expect(
            String(decoding: encoded, as: UTF8.self) == """
                {"config":{"digest":"\(a)","mediaType":"application/vnd.oci.image.config.v1+json","size":3},\
                "layers":[{"digest":"\(b)","mediaType":"application/vnd.oci.image.layer.v1.tar","size":4}],\
                "mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}
                """)
    }
}

@Suite("Indexes and platforms")
struct IndexTests {
    private func index(_ platforms: [Platform?]) throws -> Index {
        Index(
            manifests: try platforms.enumerated().map { number, platform in
                ContentDescriptor(mediaType: .manifest, digest: try Digest(a), size: Int64(number), platform: platform)
            })
    }

    private func chosen(_ platforms: [Platform?], for platform: Platform) throws -> Int64 {
        try index(platforms).choose(platform).size
    }

    let amd64 = Platform(os: "linux", architecture: "amd64")
    let arm64 = Platform(os: "linux", architecture: "arm64")

    @Test("the entry of the host's platform is chosen among others")
    func choosesPlatform() throws {
        let offered = [
            Platform(os: "linux", architecture: "arm", variant: "v7"), arm64,
            Platform(os: "windows", architecture: "amd64"),
            amd64, Platform(os: "unknown", architecture: "unknown"),
        ]
        #expect(try chosen(offered, for: amd64) == 3)
        #expect(try chosen(offered, for: arm64) == 1)
    }

    @Test("an image for every processor goes before one for newer processors")
    func prefersBaseline() throws {
        let v3 = Platform(os: "linux", architecture: "amd64", variant: "v3")
        #expect(try chosen([v3, amd64], for: amd64) == 1)
        #expect(try chosen([v3], for: amd64) == 0)
        #expect(try chosen([v3, Platform(os: "linux", architecture: "amd64", variant: "v1")], for: amd64) == 1)
        #expect(throws: OCIError.self) {
            try chosen([Platform(os: "linux", architecture: "amd64", variant: "v4")], for: amd64)
        }
    }

    @Test("an entry without a platform is taken when none says that it fits")
    func takesUnknown() throws {
        #expect(try chosen([nil, amd64], for: amd64) == 1)
        #expect(try chosen([nil, arm64], for: amd64) == 0)
    }

    @Test("when nothing fits, the error says what there is")
    func tellsWhatThereIs() throws {
        let error = #expect(throws: OCIError.self) { try chosen([arm64], for: amd64) }
        #expect(error?.description == "no image for linux/amd64; there is linux/arm64")
    }

    @Test("other spellings of an architecture are understood")
    func normalizes() {
        #expect(Platform(os: "linux", architecture: "x86_64", variant: "") == amd64)
        #expect(Platform(os: "linux", architecture: "aarch64") == arm64)
        #expect(arm64.rank(of: Platform(os: "linux", architecture: "arm64", variant: "v8")) == 0)
    }

    @Test("an index of more entries than the limit is refused")
    func limitsEntries() {
        let entry = "{\"digest\":\"\(a)\",\"size\":1},"
        let text =
            "{\"schemaVersion\":2,\"manifests\":[" + String(repeating: entry, count: Index.maximumEntries)
            + "{\"digest\":\"\(a)\",\"size\":1}]}"
        #expect(throws: OCIError.self) { try Index(decoding: bytes(text)) }
    }
}
