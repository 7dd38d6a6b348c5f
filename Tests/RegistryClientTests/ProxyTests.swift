import Testing

@testable import RegistryClient

@Suite("Proxies of the environment")
struct ProxyTests {
    private func proxy(_ environment: [String: String], _ url: String) throws -> String? {
        let address = try #require(WebAddress(url))
        return try ProxySettings(environment: environment).proxy(for: address.origin).map { "\($0.host):\($0.port)" }
    }

    @Test("the scheme's variable counts before the common one, lower case before upper case")
    func precedence() throws {
        #expect(try proxy(["https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"], "https://x.example") == "a:1")
        #expect(try proxy(["HTTPS_PROXY": "http://b:2", "all_proxy": "http://c:3"], "https://x.example") == "b:2")
        #expect(try proxy(["HTTPS_PROXY": "http://b:2", "ALL_PROXY": "c:3"], "http://x.example") == "c:3")
        #expect(try proxy(["http_proxy": "http://[::1]:8"], "http://x.example") == "::1:8")
        #expect(
            try proxy(["https_proxy": "", "HTTPS_PROXY": "proxy.example"], "https://x.example") == "proxy.example:80")
        #expect(try proxy(["https_proxy": "socks5://s"], "https://x.example") == "s:1080")
        #expect(try proxy([:], "https://x.example") == nil)
    }

    @Test(
        "this host is never reached through a proxy",
        arguments: [
            "http://localhost:5000", "http://127.9.9.9", "https://[::1]:5000", "http://[::ffff:127.0.0.1]",
        ])
    func exemptsLoopback(url: String) throws {
        #expect(try proxy(["ALL_PROXY": "http://p:1"], url) == nil)
    }

    @Test(
        "NO_PROXY exempts",
        arguments: [
            ("*", "https://x.example", true),
            ("example", "https://x.example", true),
            ("x.example", "https://x.example", true),
            (".example", "https://x.example", true),
            ("*.example", "https://x.example", true),
            (".x.example", "https://x.example", false),
            ("x.example", "https://y.x.example", true),
            ("x.example", "https://yx.example", false),
            ("X.Example", "https://x.EXAMPLE", true),
            ("a.example, x.example", "https://x.example", true),
            ("x.example:5000", "https://x.example:5000", true),
            ("x.example:5000", "https://x.example", false),
            ("x.example:443", "https://x.example", true),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.1.2.3", "https://10.1.2.3:5000", true),
            ("10.1.2.3:80", "https://10.1.2.3:5000", false),
            ("fd00::/8", "https://[fd12::1]:5000", true),
            ("[fd12::1]:5000", "https://[fd12::1]:5000", true),
            ("10.0.0.0/33", "https://10.1.2.3", false),
            (",, ,", "https://x.example", false),
        ])
    func exempts(list: String, url: String, isExempt: Bool) throws {
        let found = try proxy(["https_proxy": "http://p:1", "NO_PROXY": list], url)
        #expect((found == nil) == isExempt)
    }

    @Test(
        "an unusable proxy is told without its password",
        arguments: [
            "http://user:secret@", "ftp://user:secret@host", "http://user:secret@host:99999",
            "socks5://user:secret@host",
        ])
    func refuses(value: String) throws {
        let error = #expect(throws: RegistryError.self) { try ProxySettings(environment: ["https_proxy": value]) }
        let message = try #require(error).description
        #expect(message.contains("https_proxy"))
        #expect(!message.contains("secret"))
    }
}
