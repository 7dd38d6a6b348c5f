import Foundation
import Testing

@testable import RegistryClient

@Suite("The user's credentials")
struct CredentialStoreTests {
    let home: TestHome
    var store: CredentialStore { CredentialStore(home.options) }

    init() throws { home = try TestHome() }

    @Test("of login are kept for their owner alone, and go with logout")
    func ownFile() async throws {
        try store.store(registry: "r.example", username: "me", password: "p:1")
        try store.store(registry: "docker.io", username: "hub", password: "2")
        let file = home.options.home + "/auth.json"
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(
            try await store.lookup(registry: "r.example", path: "a/b") == .password(username: "me", password: "p:1"))
        #expect(try await store.lookup(registry: "index.docker.io") == .password(username: "hub", password: "2"))
        #expect(try store.erase(registry: "r.example"))
        #expect(try await store.lookup(registry: "r.example") == nil)
        #expect(try !store.erase(registry: "r.example"))
        #expect(try await store.lookup(registry: "docker.io") != nil)
    }

    @Test("of login count before Docker's")
    func precedence() async throws {
        try home.folder.write(#"{"auths": {"r.example": {"auth": "ZG9ja2VyOjE="}}}"#, to: ".docker/config.json")
        #expect(try await store.lookup(registry: "r.example") == .password(username: "docker", password: "1"))
        try store.store(registry: "r.example", username: "own", password: "2")
        #expect(try await store.lookup(registry: "r.example") == .password(username: "own", password: "2"))
    }

    @Test("of Podman count after Docker's, wherever REGISTRY_AUTH_FILE says they are")
    func podman() async throws {
        var other = home
        other.options.environment["REGISTRY_AUTH_FILE"] = try home.folder.write(
            #"{"auths": {"r.example": {"auth": "cG9kbWFuOjE="}, "p.example": {"auth": "cG9kbWFuOjI="}}}"#,
            to: "podman.json")
        try home.folder.write(#"{"auths": {"r.example": {"auth": "ZG9ja2VyOjE="}}}"#, to: ".docker/config.json")
        let store = CredentialStore(other.options)
        #expect(try await store.lookup(registry: "r.example") == .password(username: "docker", password: "1"))
        #expect(try await store.lookup(registry: "p.example") == .password(username: "podman", password: "2"))
    }

    @Test("DOCKER_CONFIG names another folder")
    func dockerConfig() async throws {
        var other = home
        let file = try home.folder.write(
            #"{"auths": {"r.example": {"auth": "ZG9ja2VyOjE="}}}"#, to: "other/config.json")
        other.options.environment["DOCKER_CONFIG"] = (file as NSString).deletingLastPathComponent
        #expect(try await CredentialStore(other.options).lookup(registry: "r.example") != nil)
        #expect(try await store.lookup(registry: "r.example") == nil)
    }

    private func helper(_ script: String) throws {
        let written = try home.folder.write("#!/bin/sh\nread -r server\n\(script)\n", to: "bin/script")
        // A program that this process has open for writing, if only in a child that another test is about to start, cannot
        // be executed.
        let copy = try Process.run(
            URL(filePath: "/usr/bin/install"),
            arguments: ["-m", "700", written, home.folder.path + "/bin/docker-credential-test"])
        copy.waitUntilExit()
        try #require(copy.terminationStatus == 0)
        try home.folder.write(
            #"{"credHelpers": {"r.example": "test", "docker.io": "test"}, "auths": {"r.example": {"auth": "ZG9ja2VyOjE="}}}"#,
            to: ".docker/config.json")
    }

    @Test("come from the helper, by the name that Docker gives it")
    func askHelper() async throws {
        try helper(#"printf '{"ServerURL": "x", "Username": "%s", "Secret": "%s"}' "$1" "$server""#)
        #expect(try await store.lookup(registry: "r.example") == .password(username: "get", password: "r.example"))
        #expect(
            try await store.lookup(registry: "docker.io")
                == .password(username: "get", password: "https://index.docker.io/v1/"))
    }

    @Test("that are a token are told so by the helper")
    func identityToken() async throws {
        try helper(#"echo '{"Username": "<token>", "Secret": "t"}'"#)
        #expect(try await store.lookup(registry: "r.example") == .identityToken("t"))
    }

    @Test("that the helper does not have stand in the file")
    func notFound() async throws {
        try helper("echo credentials not found in native keychain; exit 1")
        #expect(try await store.lookup(registry: "r.example") == .password(username: "docker", password: "1"))
        #expect(try await store.lookup(registry: "docker.io") == nil)
    }

    @Test(
        "a helper that does not do its work is told, without what it wrote",
        arguments: [
            ("echo secret; echo secret >&2; exit 1", "it failed"), ("echo secret", "not the JSON"),
            ("exec head -c 1000000 /dev/zero", "wrote more"), ("exec sleep 60", "took longer"),
        ])
    func failing(script: String, hint: String) async throws {
        try helper(script)
        var hasty = home
        if script.hasPrefix("exec sleep") { hasty.options.limits.helperTime = .seconds(2) }
        let message = try await message { _ = try await CredentialStore(hasty.options).lookup(registry: "r.example") }
        #expect(message.contains("docker-credential-test: ") && message.contains(hint), "\(message)")
        #expect(!message.contains("secret"))
    }

    @Test(
        "a helper's name cannot lead elsewhere, and the helper must be there",
        arguments: [
            ("../bin/test", "letters, digits"), ("", nil), ("missing", "no such program"), ("a b", "letters, digits"),
        ])
    func names(name: String, hint: String?) async throws {
        try home.folder.write(#"{"credsStore": "\#(name)"}"#, to: ".docker/config.json")
        guard let hint else {
            #expect(try await store.lookup(registry: "r.example") == nil)
            return
        }
        let message = try await message { _ = try await store.lookup(registry: "r.example") }
        #expect(message.contains(hint), "\(message)")
    }
}
