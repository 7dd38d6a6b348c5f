import LinuxSystem
import Testing

/// `pull`, `push`, `login` and `logout` with Debian's docker-registry, as people set it up.
@Suite(.needsMachines) struct RegistryTests {
    private let busybox = Built.image("busybox.oci.tar")

    @Test("what skopeo pushed is pulled with its digest and runs; what is here is not fetched again")
    func pulls() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry { registry in
                let name = "\(registry.address)/deep/er/busybox"
                let digest = try await home.skopeo(
                    "copy --dest-tls-verify=false oci-archive:\(busybox) docker://\(name):1", then: "\(name):1")
                let pulled = try await home.sandpiper("pull", "\(name):1")
                #expect(pulled.output == "\(name):1\n", "\(pulled.error)")
                let listed = try await home.sandpiper("images", "--quiet")
                #expect(listed.lines == [digest])
                let run = try await home.sandpiper("run", "\(name):1", "echo", "fetched")
                #expect(run.output == "fetched\n", "\(run.error)")

                _ = try await home.skopeo(
                    "copy --dest-tls-verify=false oci-archive:\(busybox) docker://\(registry.address)/other:2",
                    then: "\(registry.address)/other:2")
                let before = try registry.requests(for: "/blobs/")
                for reference in ["\(name):1", "\(name)@\(digest)", "\(registry.address)/other:2"] {
                    let again = try await home.sandpiper("pull", reference)
                    #expect(again.status == 0, "\(again.error)")
                }
                #expect(try registry.requests(for: "/blobs/") == before)
            }
        }
    }

    @Test("run fetches the image it lacks; --pull says when it looks")
    func runs() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry { registry in
                let name = "\(registry.address)/busybox"
                _ = try await home.skopeo(
                    "copy --dest-tls-verify=false oci-archive:\(busybox) docker://\(name)", then: name)
                let never = try await home.sandpiper("run", "--pull", "never", name, "echo", "x")
                #expect(never.status == 125)
                #expect(try registry.requests(for: "sandpiper") == 0)
                let missing = try await home.sandpiper("run", name, "echo", "fetched")
                #expect(missing.output == "fetched\n", "\(missing.error)")
                let requests = try registry.requests(for: "/manifests/")
                #expect(try await home.sandpiper("run", name, "true").status == 0)
                #expect(try registry.requests(for: "/manifests/") == requests)
                #expect(try await home.sandpiper("run", "--pull", "always", name, "true").status == 0)
                #expect(try registry.requests(for: "/manifests/") > requests)
            }
        }
    }

    @Test("a registry that wants a password: login keeps it for its owner alone, logout forgets it")
    func passwords() async throws {
        try await TestHome.with { home in
            try await TestServer.registry(.user("ann", password: "pass word:1")) { registry in
                let name = "\(registry.address)/busybox:1"
                #expect(try await home.sandpiper("tag", "busybox", name).status == 0)
                let anonymous = try await home.sandpiper("push", "--quiet", name)
                #expect(anonymous.status == 125)
                #expect(anonymous.errorLines.count == 1 && anonymous.error.contains("sandpiper login"))

                let wrong = try await home.sandpiper(
                    "login", "-u", "ann", "--password-stdin", registry.address, input: "wrong secret\n")
                #expect(wrong.status == 125)
                #expect(wrong.errorLines.count == 1 && !wrong.error.contains("wrong secret"))
                let login = try await home.sandpiper(
                    "login", "-u", "ann", "--password-stdin", registry.address, input: "pass word:1\n")
                #expect(login.status == 0, "\(login.error)")
                let kept = try await home.host(
                    "grep -rl \"$(printf 'ann:pass word:1' | base64)\" '\(home.path)' | xargs stat -c %a")
                #expect(kept.lines == ["600"])

                let push = try await home.sandpiper("push", "--quiet", name)
                #expect(push.status == 0, "\(push.error)")
                #expect(try await home.sandpiper("rmi", name).status == 0)
                #expect(try await home.sandpiper("pull", "--quiet", name).status == 0)
                #expect(try await home.sandpiper("logout", registry.address).status == 0)
                let after = try await home.sandpiper("pull", name)
                #expect(after.status == 125 && after.error.contains("sandpiper login"))
                #expect(!(try registry.logText().contains("pass word")))
            }
        }
    }

    @Test("credentials of docker's configuration are used: from the file itself, and from its helpers")
    func dockerCredentials() async throws {
        try await TestHome.with { home in
            try await TestServer.registry(.user("ann", password: "secret")) { registry in
                let name = "\(registry.address)/busybox:1"
                #expect(try await home.sandpiper("tag", "busybox", name).status == 0)
                let outcome = try await home.host(
                    """
                    mkdir -p docker bin; export PATH=$PWD/bin:$PATH
                    printf '{"auths":{"\(registry.address)":{"auth":"%s"}}}' "$(printf ann:secret | base64)" >docker/config.json
                    sandpiper push -q \(name) >/dev/null && echo auths
                    cat >bin/docker-credential-test <<'END'
                    #!/bin/sh
                    test "$1" = get && test "$(cat)" = '\(registry.address)' && echo '{"Username":"ann","Secret":"secret"}'
                    END
                    chmod +x bin/docker-credential-test
                    echo '{"credHelpers":{"\(registry.address)":"test"}}' >docker/config.json
                    sandpiper push -q \(name) >/dev/null && echo credHelpers
                    echo '{"credsStore":"test"}' >docker/config.json; sandpiper push -q \(name) >/dev/null && echo credsStore
                    echo '{"credsStore":"missing"}' >docker/config.json; sandpiper push -q \(name) || echo missing
                    """)
                #expect(
                    outcome.lines == ["auths", "credHelpers", "credsStore", "missing"],
                    "\(outcome.output)\(outcome.error)")
                #expect(outcome.errorLines.count == 1 && outcome.error.contains("docker-credential-missing"))
            }
        }
    }

    @Test("a registry under a private authority: trusted by option or setting only, or not checked")
    func privateAuthority() async throws {
        try await TestHome.with { home in
            try await TestServer.registry(.tls) { registry in
                let name = "\(registry.address)/busybox:1"
                let authority = try #require(registry.authority)
                #expect(try await home.sandpiper("tag", "busybox", name).status == 0)
                let untrusted = try await home.sandpiper("push", "--quiet", name)
                #expect(untrusted.status == 125)
                #expect(
                    untrusted.errorLines.count == 1 && untrusted.error.contains("certificate"), "\(untrusted.error)")
                let trusted = try await home.sandpiper("push", "--quiet", "--ca-cert", authority, name)
                #expect(trusted.status == 0, "\(trusted.error)")
                let unchecked = try await home.sandpiper("pull", "--quiet", "--insecure", name)
                #expect(unchecked.status == 0, "\(unchecked.error)")
                try FileTree.writeAtomically(
                    Array("{\"registries\":{\"\(registry.address)\":{\"caCertificate\":\"\(authority)\"}}}".utf8),
                    to: "\(home.path)/registries.json")
                let set = try await home.sandpiper("pull", "--quiet", name)
                #expect(set.status == 0, "\(set.error)")
            }
        }
    }

    @Test("a certificate that has expired is refused, though its authority is trusted")
    func expired() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry(.expired) { registry in
                let pull = try await home.sandpiper(
                    "pull", "--ca-cert", registry.authority ?? "", "\(registry.address)/busybox")
                #expect(pull.status == 125)
                #expect(pull.errorLines.count == 1 && pull.error.contains("certificate"), "\(pull.error)")
            }
        }
    }

    @Test("a mirror is asked first, and the registry when the mirror lacks the image or is not there")
    func mirrors() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry { upstream in
                try await TestServer.registry { mirror in
                    for (server, name) in [(upstream, "one"), (upstream, "two"), (mirror, "two")] {
                        let reference = "\(server.address)/\(name):1"
                        _ = try await home.skopeo(
                            "copy --dest-tls-verify=false oci-archive:\(busybox) docker://\(reference)", then: reference
                        )
                    }
                    // Port 1 is nobody's.
                    let mirrors = "\"http://127.0.0.1:1\",\"http://\(mirror.address)\""
                    try FileTree.writeAtomically(
                        Array("{\"registries\":{\"\(upstream.address)\":{\"mirrors\":[\(mirrors)]}}}".utf8),
                        to: "\(home.path)/registries.json")
                    let before = try upstream.requests(for: "sandpiper")
                    let two = try await home.sandpiper("pull", "--quiet", "\(upstream.address)/two:1")
                    #expect(two.output == "\(upstream.address)/two:1\n", "\(two.error)")
                    #expect(try upstream.requests(for: "sandpiper") == before)
                    #expect(try mirror.requests(for: "sandpiper") > 0)
                    let one = try await home.sandpiper("pull", "--quiet", "\(upstream.address)/one:1")
                    #expect(one.output == "\(upstream.address)/one:1\n", "\(one.error)")
                    #expect(try upstream.requests(for: "sandpiper") > before)
                }
            }
        }
    }

    @Test("a docker-registry that is itself a mirror hands images through")
    func pullThrough() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry { upstream in
                _ = try await home.skopeo(
                    "copy --dest-tls-verify=false oci-archive:\(busybox) docker://\(upstream.address)/busybox:1",
                    then: "\(upstream.address)/busybox:1")
                try await TestServer.registry(.mirror(of: upstream)) { mirror in
                    let pull = try await home.sandpiper("pull", "--quiet", "\(mirror.address)/busybox:1")
                    #expect(pull.status == 0, "\(pull.error)")
                }
            }
        }
    }

    @Test("tokens: anyone may pull, who has logged in may push, and each token is asked for what it is for")
    func tokens() async throws {
        try await TestHome.with { home in
            try await TestServer.tokens(["--user", "ann:secret", "--anonymous-pull", "--expires-in", "60"]) { tokens in
                try await TestServer.registry(.tokens(tokens)) { registry in
                    let name = "\(registry.address)/group/busybox:1"
                    #expect(try await home.sandpiper("tag", "busybox", name).status == 0)
                    let denied = try await home.sandpiper("push", "--quiet", name)
                    #expect(denied.status == 125 && denied.errorLines.count == 1, "\(denied.error)")
                    let login = try await home.sandpiper(
                        "login", "-u", "ann", "--password-stdin", registry.address, input: "secret")
                    #expect(login.status == 0, "\(login.error)")
                    let push = try await home.sandpiper("push", "--quiet", name)
                    #expect(push.status == 0, "\(push.error)")
                    #expect(try await home.sandpiper("logout", registry.address).status == 0)
                    #expect(try await home.sandpiper("rmi", name, "busybox").status == 0)
                    let asked = try tokens.requests().count
                    let pull = try await home.sandpiper("pull", "--quiet", name)
                    #expect(pull.status == 0, "\(pull.error)")
                    let requests = try tokens.requests()
                    #expect(requests.dropFirst(asked).map(\.scopes) == [["repository:group/busybox:pull"]])
                    #expect(requests.dropFirst(asked).allSatisfy { $0.authorization == nil })
                    let asAnn = requests.filter { $0.account == "ann" }.compactMap(\.scopes)
                    #expect(asAnn.contains { $0.contains("repository:group/busybox:pull,push") }, "\(asAnn)")
                }
            }
        }
    }

    @Test("tokens that end while they are needed are renewed", arguments: [[], ["--expires-in", "300"]])
    func renewals(options: [String]) async throws {
        try await TestHome.with([]) { home in
            try await TestServer.tokens(["--anonymous-pull"] + options) { tokens in
                let realm = try #require(tokens.realm)
                try await TestServer.misbehaving(
                    serving: "mixed-layers", ["--bearer", realm, "--token-uses", "1"]
                ) { registry in
                    let pull = try await home.sandpiper("pull", "--quiet", "\(registry.address)/busybox:1")
                    #expect(pull.status == 0, "\(pull.error)")
                    #expect(try tokens.requests().count > 3)
                }
            }
        }
    }

    @Test("a proxy is used for what the environment says, with its password, and not for what NO_PROXY names")
    func proxies() async throws {
        try await TestHome.with { home in
            try await TestServer.registry(.tls) { registry in
                // A name that only the proxy knows, since nobody goes to this host through a proxy.
                try await TestServer.proxy("--user", "ann:secret", "--to", registry.address) { proxy in
                    let name = "registry.test/busybox:1"
                    #expect(try await home.sandpiper("tag", "busybox", name).status == 0)
                    let options = "-q --ca-cert '\(registry.authority ?? "")' \(name)"
                    let push = try await home.host(
                        "HTTPS_PROXY=http://ann:secret@\(proxy.address) sandpiper push \(options)")
                    #expect(push.status == 0, "\(push.error)")
                    let requests = try proxy.requests()
                    #expect(requests.contains { $0.method == "CONNECT" && $0.target == "registry.test:443" })
                    #expect(requests.allSatisfy { $0.method == "CONNECT" })
                    let around = try await home.host(
                        "HTTPS_PROXY=http://ann:secret@\(proxy.address) NO_PROXY=.test sandpiper pull \(options)")
                    #expect(around.status == 125 && around.errorLines.count == 1, "\(around.error)")
                    #expect(try proxy.requests().count == requests.count)
                    let refused = try await home.host(
                        "HTTPS_PROXY=http://ann:wrong@\(proxy.address) sandpiper pull \(options)")
                    #expect(refused.status == 125)
                    #expect(refused.errorLines.count == 1 && !refused.error.contains("wrong"), "\(refused.error)")
                }
            }
        }
    }
}

extension TestHome {
    /// Runs skopeo, then returns the digest that `reference` has at its registry.
    func skopeo(_ arguments: String, then reference: String) async throws -> String {
        let outcome = try await host(
            "skopeo \(arguments) >/dev/null && skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(reference)"
        )
        try #require(outcome.status == 0, "\(outcome.error)")
        return try #require(outcome.lines.first)
    }
}

extension TestServer {
    /// How many lines of docker-registry's access log hold this.
    func requests(for text: String) throws -> Int {
        try logText().split(separator: "\n").filter { $0.contains("HTTP/1.1\"") && $0.contains(text) }.count
    }
}
