import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("Proxies of sandboxes")
struct UpstreamProxyTests {
    @Test(
        "a proxy is a scheme, a name or address, and a port",
        arguments: [
            ("http://192.0.2.40:3128", "http://192.0.2.40:3128"), ("HTTP://192.0.2.40:3128/", "http://192.0.2.40:3128"),
            ("socks5://[2001:db8::40]:1080", "socks5://[2001:db8::40]:1080"),
            ("http://Proxy.Example.com:8080", "http://proxy.example.com:8080"),
            ("socks5://localhost:1080", "socks5://localhost:1080"),
            ("http://ann:secret@proxy.example.com:80", "http://proxy.example.com:80"),
            ("http://ann:p@ss@proxy.example.com:80", "http://proxy.example.com:80"),
        ])
    func read(text: String, shown: String) throws {
        #expect(try UpstreamProxy(text).description == shown)
    }

    @Test(
        "what is none is refused with the reason, and without what may be a password",
        arguments: [
            "", "proxy.example.com:3128", "https://proxy.example.com:3128", "ftp://192.0.2.40:21", "http://192.0.2.40",
            "http://192.0.2.40:0", "http://192.0.2.40:65536", "http://192.0.2.40:+80", "http://192.0.2.40:80/path",
            "http://:80", "http://2001:db8::40:80", "http://[192.0.2.40:80", "http://a b:80", "http://a..b:80",
            "http://ann:secret@:80", "http://ann:secret@proxy", "http://ann:secret%@a:1", "http://ann:secret%2@a:1",
            "http://ann:secret%zz@a:1", "http://ann:secret%0a@a:1", "http://an%3an:secret@a:1", "socks5://ann@a:1",
            "socks5://:secret@a:1", "socks5://ann:@a:1", "http://ann:secret\(String(repeating: "x", count: 250))@a:1",
            "http://\(String(repeating: "u", count: 256)):secret@a:1", "ftp://ann:secret@a:1",
        ])
    func refused(text: String) throws {
        let error = #expect(throws: StateError.self) { try UpstreamProxy(text) }
        let told = try #require(error?.description)
        #expect(told.contains("makes no sense") && !told.contains("secret"), "\(told)")
    }

    @Test("user and password are decoded, and printed by nothing")
    func credentials() throws {
        let proxy = try UpstreamProxy("http://a%20nn:s:e%2fc%C3%A9ret%25@a:1")
        let credentials = try #require(proxy.credentials)
        #expect(String(decoding: credentials.user, as: UTF8.self) == "a nn")
        #expect(String(decoding: credentials.password, as: UTF8.self) == "s:e/céret%")
        #expect(credentials.basic == "Basic YSBubjpzOmUvY8OpcmV0JQ==")
        var shown = "\(proxy) \(credentials) \(String(reflecting: credentials)) \(String(reflecting: proxy))"
        dump(proxy, to: &shown)
        dump(credentials, to: &shown)
        #expect(!shown.contains("nn") && !shown.contains("ret") && !shown.contains("115"))
        #expect(try UpstreamProxy("http://ann@a:1").credentials?.password == [])
        let longest = String(repeating: "%41", count: ProxyCredentials.longest)
        #expect(try UpstreamProxy("socks5://\(longest):\(longest)@a:1").credentials?.password.count == 255)
    }
}

@Suite("Where proxies of sandboxes are written")
struct ProxyReferenceTests {
    @Test("a URL, a file or a variable; a record has what was written")
    func references() throws {
        #expect(try ProxyReference("http://192.0.2.40:3128") == .url("http://192.0.2.40:3128"))
        #expect(try ProxyReference("http://ann@proxy.example:1") == .url("http://ann@proxy.example:1"))
        #expect(try ProxyReference("@/etc/proxy") == .file("/etc/proxy"))
        #expect(try ProxyReference("HTTPS_PROXY") == .variable("HTTPS_PROXY"))
        for text in ["http://192.0.2.40:3128", "@/etc/proxy", "HTTPS_PROXY"] {
            var settings = NetworkSettings()
            settings.proxy = try ProxyReference(text)
            let record = try RecordFile.encode(settings)
            #expect(String(decoding: record, as: UTF8.self).contains("\"proxy\" : \"\(text)\""))
            #expect(try RecordFile.decode(NetworkSettings.self, from: record, named: "x") == settings)
            #expect(settings.foreign.proxy == nil)
        }
    }

    @Test("a relative path is one of this folder, wherever the sandbox is started")
    func relative() throws {
        guard case .file(let path) = try ProxyReference("@proxy") else {
            Issue.record("no file")
            return
        }
        #expect(path.hasPrefix("/") && path.hasSuffix("/proxy"))
    }

    @Test(
        "a password outright, and what is nothing of these, is refused",
        arguments: [
            "http://ann:secret@192.0.2.40:1", "@", "", "192.0.2.40:3128", "A B", "1A", "nö", "proxy.example.com",
        ])
    func refused(text: String) {
        let error = #expect(throws: StateError.self) { try ProxyReference(text) }
        #expect(error?.description.contains("secret") == false)
        let record = Array("{\"proxy\":\"\(text)\"}".utf8)
        #expect(throws: StateError.self) {
            try RecordFile.decode([String: ProxyReference].self, from: record, named: "x")
        }
    }

    @Test("what a file or a variable has is read each time, without the space around it; errors do not show it")
    func resolved() throws {
        let path = "/tmp/sandpiper-proxy-\(getpid())"
        defer { unlink(path) }
        let file = ProxyReference.file(path)
        #expect(throws: StateError.self) { try file.url() }
        try FileTree.writeAtomically(Array("\n http://ann:secret@proxy.example:1 \r\n".utf8), to: path)
        #expect(try file.url() == "http://ann:secret@proxy.example:1")
        for content in [
            "", " \n", "http://ann:secret@proxy.example", "a\u{0}secret", String(repeating: "secret", count: 9000),
        ] {
            try FileTree.writeAtomically(Array(content.utf8), to: path)
            let error = #expect(throws: StateError.self) { try file.url() }
            let told = try #require(error?.description)
            #expect(told.contains(path) && !told.contains("secret"), "\(told)")
        }
        let name = "SANDPIPER_TEST_PROXY_\(getpid())"
        let variable = ProxyReference.variable(name)
        #expect(throws: StateError.self) { try variable.url() }
        setenv(name, "socks5://ann:secret@localhost:1080", 1)
        defer { unsetenv(name) }
        #expect(try variable.url() == "socks5://ann:secret@localhost:1080")
        setenv(name, "socks5://ann:secret@", 1)
        let error = #expect(throws: StateError.self) { try variable.url() }
        #expect(error?.description.contains(name) == true && error?.description.contains("secret") == false)
    }
}
