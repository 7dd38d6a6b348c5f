import Foundation
import Hashing
import OCI
import Testing

@testable import RegistryClient

@Suite("Debian's docker-registry, with skopeo as the other side")
struct RealRegistryTests {
    let home: TestHome
    var folder: TemporaryFolder { home.folder }

    init() throws { home = try TestHome() }

    /// An image as skopeo takes it: two layers, which nobody unpacks here.
    private struct Image {
        let layers: [[UInt8]]
        let configuration: [UInt8]
        let manifest: [UInt8]

        init() throws {
            layers = [try content(3_000_000), try content(10)]
            let diffIDs = layers.map { "\"\(Digest.of($0))\"" }.joined(separator: ",")
            configuration = Array(
                #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[\#(diffIDs)]}}"#.utf8)
            manifest = try BoundedJSON.encode(
                Manifest(
                    config: ContentDescriptor(of: configuration, .configuration),
                    layers: layers.map { ContentDescriptor(of: $0) }))
        }

        /// Writes an OCI layout.
        func write(to folder: TemporaryFolder, _ name: String) throws -> String {
            for blob in layers + [configuration, manifest] {
                let file = try folder.write("", to: "\(name)/blobs/sha256/\(Digest.of(blob).hex)")
                try Data(blob).write(to: URL(filePath: file))
            }
            try folder.write(#"{"imageLayoutVersion":"1.0.0"}"#, to: "\(name)/oci-layout")
            let index = try BoundedJSON.encode(Index(manifests: [ContentDescriptor(of: manifest, .manifest)]))
            try folder.write(String(decoding: index, as: UTF8.self), to: "\(name)/index.json")
            return "\(folder.path)/\(name)"
        }

        func push(_ client: RegistryClient, to reference: Reference) async throws {
            let types: [MediaType] = [.configuration, .layer, .layer]
            for (blob, type) in zip([configuration] + layers, types) {
                try await client.uploadBlob(ContentDescriptor(of: blob, type), to: reference, from: MemorySource(blob))
            }
            #expect(
                try await client.putManifest(manifest, mediaType: .manifest, to: reference) == .of(manifest))
        }

        func expectPull(_ client: RegistryClient, _ reference: Reference) async throws {
            let fetched = try await client.manifest(reference)
            #expect(fetched.bytes == manifest)
            #expect(fetched.digest == .of(manifest))
            #expect(fetched.mediaType == .manifest)
            let read = try Manifest(decoding: fetched.bytes)
            #expect(try await client.document(read.config, of: reference) == configuration)
            for (descriptor, layer) in zip(read.layers, layers) {
                let sink = MemorySink(Array(layer.prefix(5)))
                try await client.download(descriptor, of: reference, into: sink)
                #expect(await sink.bytes == layer)
            }
        }
    }

    @Test("what skopeo has pushed is pulled, by tag and by digest")
    func pulls() async throws {
        let image = try Image()
        let layout = try image.write(to: folder, "layout")
        try await DockerRegistry.run(in: folder) { registry in
            try await run(
                "skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", "oci:\(layout)",
                "docker://\(registry.name)/a/b:1")
            try await home.withClient { client in
                try await image.expectPull(client, Reference("\(registry.name)/a/b:1"))
                try await image.expectPull(client, Reference("\(registry.name)/a/b@\(Digest.of(image.manifest))"))
                let missing = try await message { _ = try await client.manifest(Reference("\(registry.name)/a/b:2")) }
                #expect(missing.contains("not at \(registry.name)"), "\(missing)")
            }
        }
    }

    @Test("what is pushed, skopeo pulls; what is there is not sent again, and goes from one repository to another")
    func pushes() async throws {
        let image = try Image()
        try await DockerRegistry.run(in: folder) { registry in
            try await home.withClient { client in
                let reference = try Reference("\(registry.name)/a/b:1")
                try await image.push(client, to: reference)
                let layer = ContentDescriptor(of: image.layers[0])
                #expect(try await client.hasBlob(layer.digest, in: reference))
                #expect(try await !client.hasBlob(.of([1, 2, 3]), in: reference))
                let source = MemorySource(image.layers[0])
                #expect(try await client.uploadBlob(layer, to: reference, from: source) == .existed)
                let other = try Reference("\(registry.name)/c/d:1")
                #expect(
                    try await client.uploadBlob(layer, to: other, mountableFrom: "a/b", from: source) == .mounted)
                #expect(source.startCount == 0)
                try await run(
                    "skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", "docker://\(reference)",
                    "oci:\(folder.path)/copy:1")
                for blob in image.layers + [image.configuration, image.manifest] {
                    let copy = try Data(
                        contentsOf: URL(filePath: "\(folder.path)/copy/blobs/sha256/\(Digest.of(blob).hex)"))
                    #expect(Array(copy) == blob)
                }
                // By digest, without a tag.
                let untagged = try Reference("\(registry.name)/a/b@\(Digest.of(image.manifest))")
                #expect(
                    try await client.putManifest(image.manifest, mediaType: .manifest, to: untagged) == untagged.digest)
            }
        }
    }

    @Test("an upload whose bytes are not those of its digest is refused, and told")
    func wrongUpload() async throws {
        try await DockerRegistry.run(in: folder) { registry in
            try await home.withClient { client in
                let descriptor = ContentDescriptor(of: [1, 2, 3])
                let message = try await message {
                    try await client.uploadBlob(
                        descriptor, to: Reference("\(registry.name)/a/b:1"), from: MemorySource([1, 2, 4]))
                }
                #expect(message.contains("DIGEST_INVALID"), "\(message)")
            }
        }
    }

    @Test("with passwords: lets in who has logged in, for pull and push")
    func passwords() async throws {
        let image = try Image()
        let file = try folder.write(try await run("htpasswd", "-nbB", "me", "secret"), to: "htpasswd")
        try await DockerRegistry.run(in: folder, .init(passwords: file)) { registry in
            let reference = try Reference("\(registry.name)/a/b:1")
            try await home.withClient { client in
                let anonymous = try await message { try await image.push(client, to: reference) }
                #expect(anonymous.contains("needs credentials: sandpiper login \(registry.name)"), "\(anonymous)")
                let wrong = try await message {
                    try await client.checkCredentials(registry: registry.name, username: "me", password: "wr0ng")
                }
                #expect(wrong.contains("does not accept the credentials") && !wrong.contains("wr0ng"), "\(wrong)")
                try await client.checkCredentials(registry: registry.name, username: "me", password: "secret")
            }
            try CredentialStore(home.options).store(registry: registry.name, username: "me", password: "secret")
            try await home.withClient { client in
                try await image.push(client, to: reference)
                try await image.expectPull(client, reference)
            }
        }
    }

    @Test("under a private authority: trusted by option, by setting, or not at all")
    func privateAuthority() async throws {
        let image = try Image()
        let (ca, chain, key) = try await makeCertificates()
        try await DockerRegistry.run(in: folder, .init(certificate: (chain, key))) { registry in
            let reference = try Reference("\(registry.name)/a/b:1")
            try await home.withClient { client in
                let message = try await message { try await image.push(client, to: reference) }
                #expect(message.contains("the certificate of \(registry.name) is not trusted"), "\(message)")
                #expect(message.contains("--ca-cert"))
            }
            var trusting = home
            trusting.options.caCertificates = [ca]
            try await trusting.withClient { try await image.push($0, to: reference) }
            var insecure = home
            insecure.options.insecure = true
            try await insecure.withClient { try await image.expectPull($0, reference) }
            try folder.write(
                #"{"registries": {"\#(registry.name)": {"caCertificate": "\#(ca)"}}}"#, to: "home/registries.json")
            try await home.withClient { try await image.expectPull($0, reference) }
            var missing = home
            missing.options.caCertificates = ["/nonexistent.pem"]
            try await missing.withClient { client in
                let message = try await message { _ = try await client.manifest(reference) }
                #expect(message == "/nonexistent.pem: there is no such file")
            }
        }
    }

    /// An authority, and a certificate of this host.
    private func makeCertificates() async throws -> (ca: String, chain: String, key: String) {
        let path = folder.path
        try await run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
            "-keyout", "\(path)/ca.key", "-out", "\(path)/ca.pem")
        try await run(
            "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "\(path)/key.pem",
            "-out", "\(path)/request.pem")
        try folder.write("subjectAltName=IP:127.0.0.1", to: "extensions")
        try await run(
            "openssl", "x509", "-req", "-in", "\(path)/request.pem", "-CA", "\(path)/ca.pem", "-CAkey",
            "\(path)/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "\(path)/extensions", "-out", "\(path)/chain.pem")
        return ("\(path)/ca.pem", "\(path)/chain.pem", "\(path)/key.pem")
    }

    @Test("as a mirror of Docker Hub: images have the hub's names and paths")
    func hubMirror() async throws {
        let image = try Image()
        try await DockerRegistry.run(in: folder) { mirror in
            try await home.withClient { try await image.push($0, to: Reference("\(mirror.name)/library/thing:1")) }
            try folder.write(
                #"{"registries": {"docker.io": {"mirrors": ["http://\#(mirror.name)"]}}}"#, to: "home/registries.json")
            try await home.withClient { try await image.expectPull($0, Reference("thing:1")) }
        }
    }

    @Test("as a mirror: is asked first, and the registry itself when it does not have it or is not there")
    func mirror() async throws {
        let image = try Image()
        try await DockerRegistry.run(in: folder) { mirror in
            try await DockerRegistry.run(in: folder) { registry in
                try await home.withClient { try await image.push($0, to: Reference("\(mirror.name)/only/mirror:1")) }
                try await home.withClient {
                    try await image.push($0, to: Reference("\(registry.name)/only/registry:1"))
                }
                try folder.write(
                    """
                    {"registries": {"\(registry.name)": {"mirrors": ["http://127.0.0.1:1", "http://\(mirror.name)"]}}}
                    """, to: "home/registries.json")
                try await home.withClient { client in
                    try await image.expectPull(client, Reference("\(registry.name)/only/mirror:1"))
                    try await image.expectPull(client, Reference("\(registry.name)/only/registry:1"))
                    // Pushes go to the registry alone.
                    let reference = try Reference("\(registry.name)/new/one:1")
                    try await image.push(client, to: reference)
                }
                try FileManager.default.removeItem(atPath: "\(folder.path)/home/registries.json")
                try await home.withClient { try await image.expectPull($0, Reference("\(registry.name)/new/one:1")) }
            }
        }
    }
}
