#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import AsyncHTTPClient

/// The proxies that the environment names, and the hosts that are reached without one.
///
/// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, each in lower case or else in upper case, mean what they
/// mean to Docker (Go's `httpproxy`).
struct ProxySettings: Sendable {
    typealias Proxy = HTTPClient.Configuration.Proxy

    let http: Proxy?
    let https: Proxy?
    private let exceptions: [Exception]

    private enum Exception: Sendable {
        case all
        case network(IPAddress, length: Int)
        /// A domain without its leading dot; `withSelf` tells whether it means the domain itself too.
        case domain(String, withSelf: Bool, port: Int?)
        case address(IPAddress, port: Int?)
    }

    /// Reads the environment.
    /// - Throws: ``RegistryError/proxy(variable:reason:)``.
    init(environment: [String: String]) throws(RegistryError) {
        http = try Self.proxy(["http_proxy", "all_proxy"], environment)
        https = try Self.proxy(["https_proxy", "all_proxy"], environment)
        let list = ["no_proxy", "NO_PROXY"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        exceptions = list.split { $0 == "," || $0.isWhitespace }.compactMap { Self.exception($0.lowercased()) }
    }

    /// The proxy for an origin; `nil` when it is reached directly, as this host always is.
    func proxy(for origin: Origin) -> Proxy? {
        guard !origin.host.isLoopbackHost, !exceptions.contains(where: { Self.matches($0, origin) }) else { return nil }
        return origin.scheme == .https ? https : http
    }

    private static func proxy(_ names: [String], _ environment: [String: String]) throws(RegistryError) -> Proxy? {
        for name in names.flatMap({ [$0, $0.uppercased()] }) {
            guard let value = environment[name], !value.isEmpty else { continue }
            return try parse(value, variable: name)
        }
        return nil
    }

    private static func parse(_ value: String, variable: String) throws(RegistryError) -> Proxy {
        // The value may hold a password: no message shows it.
        let text = value.contains("://") ? value : "http://" + value
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(),
            let host = url.host(percentEncoded: false).map({ $0.filter { $0 != "[" && $0 != "]" } }), !host.isEmpty
        else { throw .proxy(variable: variable, reason: "it is no URL") }
        guard url.port.map({ (1...65535).contains($0) }) ?? true else {
            throw .proxy(variable: variable, reason: "its port is out of range")
        }
        let user = url.user(percentEncoded: false) ?? ""
        let password = url.password(percentEncoded: false) ?? ""
        switch scheme {
        case "http":
            return .server(
                host: host, port: url.port ?? 80,
                authorization: user.isEmpty && password.isEmpty ? nil : .basic(username: user, password: password))
        case "socks5", "socks5h":
            guard user.isEmpty else {
                throw .proxy(variable: variable, reason: "SOCKS with a password is not supported")
            }
            return .socksServer(host: host, port: url.port ?? 1080)
        default: throw .proxy(variable: variable, reason: "a proxy by \(scheme) is not supported")
        }
    }

    private static func exception(_ text: String) -> Exception? {
        if text == "*" { return .all }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let network = parts.first.flatMap({ IPAddress($0) }),
            let length = parts.last.flatMap({ Int($0) })
        {
            return .network(network, length: length)
        }
        let (host, port) = hostAndPort(text)
        if let address = IPAddress(host) { return .address(address, port: port) }
        let isDotted = host.hasPrefix(".") || host.hasPrefix("*.")
        let domain = isDotted ? host.drop { $0 == "*" }.dropFirst() : host[...]
        return domain.isEmpty ? nil : .domain(String(domain), withSelf: !isDotted, port: port)
    }

    /// Parts `host:port`, `[v6]:port` and addresses of IPv6 alone.
    private static func hostAndPort(_ text: String) -> (String, Int?) {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let host = String(text[text.index(after: text.startIndex)..<end])
            return (host, Int(text[end...].dropFirst(2)))
        }
        guard IPAddress(text) == nil, let colon = text.lastIndex(of: ":") else { return (text, nil) }
        return (String(text[..<colon]), Int(text[text.index(after: colon)...]))
    }

    private static func matches(_ exception: Exception, _ origin: Origin) -> Bool {
        switch exception {
        case .all: return true
        case .network(let network, let length):
            return IPAddress(origin.host)?.isIn(network, length: length) == true
        case .address(let address, let port):
            return IPAddress(origin.host) == address && (port ?? origin.port) == origin.port
        case .domain(let domain, let withSelf, let port):
            guard (port ?? origin.port) == origin.port else { return false }
            return origin.host.hasSuffix("." + domain) || (withSelf && origin.host == domain)
        }
    }
}
