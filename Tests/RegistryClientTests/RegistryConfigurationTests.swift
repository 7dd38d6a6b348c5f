import Testing

@testable import RegistryClient

@Suite("registries.json")
struct RegistryConfigurationTests {
    private func read(_ text: String) throws -> RegistryConfiguration {
        try RegistryConfiguration(decoding: Array(text.utf8), path: "registries.json")
    }

    @Test("sets mirrors, certificates and whether a registry may be insecure")
    func reads() throws {
        let settings = try read(
            """
            {"registries": {"index.docker.io": {"mirrors": ["https://m.example/hub", "http://localhost:5000"]},
                            "r.example:5000": {"caCertificate": "/ca.pem", "insecure": true}}}
            """)
        #expect(
            settings.settings(for: "docker.io").mirrors.map(\.text) == [
                "https://m.example/hub", "http://localhost:5000/",
            ])
        #expect(settings.settings(for: "r.example:5000").caCertificate == "/ca.pem")
        #expect(settings.settings(for: "r.example:5000").insecure)
        #expect(!settings.settings(for: "r.example").insecure)
    }

    @Test(
        "is refused with what is wrong",
        arguments: [
            (#"{"registries": {"docker.io": {"mirror": []}}}"#, "mirror"),
            (#"{"registries": {}, "registry": {}}"#, "registry"),
            (#"{"registries": {"docker.io": {"mirrors": ["m.example"]}}}"#, "m.example"),
            (#"{"registries": {"docker.io": {"mirrors": ["ftp://m.example"]}}}"#, "https://HOST"),
            (#"{"registries": {"docker.io": {"caCertificate": "ca.pem"}}}"#, "absolute"),
            (#"{"registries": {"docker.io": {"insecure": "yes"}}}"#, "insecure"),
            ("{}", "registries"), ("", "JSON"),
        ])
    func refuses(text: String, hint: String) throws {
        let error = #expect(throws: RegistryError.self) { try read(text) }
        let message = try #require(error).description
        #expect(message.hasPrefix("registries.json: ") && message.contains(hint), "\(message)")
    }

    @Test("may be missing")
    func missing() throws {
        #expect(
            try RegistryConfiguration(path: "/nonexistent/registries.json").settings(for: "docker.io").mirrors.isEmpty)
    }
}
