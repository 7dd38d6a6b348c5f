import OCI
import Testing

private let layer = "sha256:" + String(repeating: "c", count: 64)

@Suite("Image configurations")
struct ConfigurationTests {
    @Test("a configuration as docker build writes it is read whole")
    func readsDocker() throws {
        let configuration = try ImageConfiguration(
            decoding: Array(
                """
                {"architecture":"amd64","config":{"Hostname":"","Domainname":"","User":"www-data:www","AttachStdin":false,
                "ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Tty":false,"Env":["PATH=/bin","LANG=C.UTF-8"],"Cmd":["-x","y z"],
                "Healthcheck":{"Test":["NONE"]},"ArgsEscaped":true,"Image":"sha256:1","Volumes":{"/var/lib":{},"/data":null},
                "WorkingDir":"/srv","Entrypoint":["/entry.sh"],"OnBuild":null,"Labels":{"a.b":"c"},"StopSignal":"SIGQUIT"},
                "container":"123","container_config":{"Cmd":["/bin/sh","-c","#(nop)"]},"created":"2024-01-02T03:04:05Z",
                "docker_version":"20.10","history":[{"created":"2024-01-02T03:04:05Z","created_by":"/bin/sh","empty_layer":true}],
                "os":"linux","rootfs":{"type":"layers","diff_ids":["\(layer)"]},"variant":""}
                """.utf8))
        #expect(configuration.platform == Platform(os: "linux", architecture: "amd64"))
        #expect(configuration.entrypoint == ["/entry.sh"])
        #expect(configuration.command == ["-x", "y z"])
        #expect(configuration.environment == ["PATH=/bin", "LANG=C.UTF-8"])
        #expect(configuration.user == "www-data:www")
        #expect(configuration.workingDirectory == "/srv")
        #expect(configuration.stopSignal == "SIGQUIT")
        #expect(configuration.labels == ["a.b": "c"])
        #expect(configuration.volumes == ["/data", "/var/lib"])
        #expect(configuration.exposedPorts == ["443/tcp", "80/tcp"])
        #expect(try configuration.diffIDs == [Digest(layer)])
        #expect(configuration.history.first?.emptyLayer == true)
        #expect(configuration.created == "2024-01-02T03:04:05Z")
    }

    @Test(
        "what is missing or null is empty",
        arguments: [
            "{\"rootfs\":{}}",
            "{\"config\":null,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null},\"history\":null,\"os\":null}",
            """
            {"config":{"Env":null,"Cmd":null,"Entrypoint":null,"Volumes":null,"ExposedPorts":null,"Labels":null,
            "User":null,"WorkingDir":null,"StopSignal":""},"rootfs":{"diff_ids":[]}}
            """,
        ])
    func toleratesNull(text: String) throws {
        let configuration = try ImageConfiguration(decoding: Array(text.utf8))
        #expect(configuration.entrypoint.isEmpty && configuration.command.isEmpty && configuration.environment.isEmpty)
        #expect(configuration.user.isEmpty && configuration.workingDirectory.isEmpty && configuration.stopSignal == nil)
        #expect(configuration.diffIDs.isEmpty && configuration.volumes.isEmpty && configuration.labels.isEmpty)
    }

    @Test("a command that is one string is one word")
    func readsStrings() throws {
        let configuration = try ImageConfiguration(
            decoding: Array("{\"config\":{\"Cmd\":\"/bin/sh -i\",\"Entrypoint\":\"e\"},\"rootfs\":{}}".utf8))
        #expect(configuration.command == ["/bin/sh -i"])
        #expect(configuration.entrypoint == ["e"])
    }

    @Test(
        "what contradicts the specification is refused",
        arguments: [
            "{}", "null", "{\"rootfs\":{\"type\":\"files\"}}", "{\"rootfs\":{\"diff_ids\":[\"x\"]}}",
            "{\"rootfs\":{\"diff_ids\":[null]}}", "{\"rootfs\":{},\"config\":{\"Env\":[1]}}",
            "{\"rootfs\":{},\"config\":{\"Cmd\":{\"a\":1}}}", "{\"rootfs\":{},\"config\":{\"Env\":{}}}",
        ])
    func refuses(text: String) {
        #expect(throws: OCIError.self) { try ImageConfiguration(decoding: Array(text.utf8)) }
    }
}

@Suite("Hostile JSON")
struct HostileJSONTests {
    @Test("nesting is refused before anything is parsed", arguments: ["[", "{\"a\":", "[{\"a\":"])
    func refusesNesting(piece: String) {
        let text = "{\"rootfs\":{},\"x\":" + String(repeating: piece, count: 100_000)
        let error = #expect(throws: OCIError.self) { try ImageConfiguration(decoding: Array(text.utf8)) }
        #expect(error?.description.contains("nested deeper") == true)
    }

    @Test("brackets inside strings are no nesting")
    func ignoresStrings() throws {
        let text = "{\"rootfs\":{},\"author\":\"\\\"\(String(repeating: "[{", count: 1000))\\\\\"}"
        #expect(throws: Never.self) { try ImageConfiguration(decoding: Array(text.utf8)) }
    }

    @Test("a document over the limit is refused")
    func refusesSize() {
        let text = "{\"rootfs\":{},\"author\":\"\(String(repeating: "x", count: BoundedJSON.maximumSize))\"}"
        let error = #expect(throws: OCIError.self) { try ImageConfiguration(decoding: Array(text.utf8)) }
        #expect(error?.description.contains("larger than") == true)
    }

    @Test("bytes that are no UTF-8, lone surrogates and NUL neither crash nor pass for a digest")
    func survivesBytes() {
        for tail in [[0xff, 0xfe], [0xed, 0xa0, 0x80], [0], [0xc0, 0x80]] as [[UInt8]] {
            let document = Array("{\"rootfs\":{\"diff_ids\":[\"".utf8) + tail + Array("\"]}}".utf8)
            #expect(throws: OCIError.self) { try ImageConfiguration(decoding: document) }
        }
    }

    @Test("every cut and 20,000 random changes of a configuration give a result or an error")
    func survivesChanges() {
        let document = Array(
            """
            {"os":"linux","config":{"Env":["A=\\u00e9"],"Cmd":["a"],"Volumes":{"/d":{}}},"rootfs":{"diff_ids":["\(layer)"]}}
            """.utf8)
        for length in 0..<document.count {
            #expect(throws: OCIError.self) { try ImageConfiguration(decoding: Array(document.prefix(length))) }
        }
        var generator = SplitMix(state: 7)
        var results = 0
        for _ in 0..<20_000 {
            var changed = document
            changed[Int.random(in: 0..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            if (try? ImageConfiguration(decoding: changed)) != nil { results += 1 }
        }
        #expect(results > 0)
    }

    @Test("control characters of a hostile document do not reach the terminal")
    func cleansMessages() {
        let error = #expect(throws: OCIError.self) { try Reference("a\u{1b}[31m\u{202e}b") }
        let description = error?.description ?? "\u{1b}"
        #expect(!description.unicodeScalars.contains { $0 == "\u{1b}" || $0 == "\u{202e}" })
    }
}
