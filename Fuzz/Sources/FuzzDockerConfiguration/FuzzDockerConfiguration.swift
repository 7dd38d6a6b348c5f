@testable import RegistryParsers

/// Looks credentials up in a `config.json` of Docker. The input is the name of a repository, a byte of all ones, and the
/// document.
@c(LLVMFuzzerTestOneInput)
public func fuzzDockerConfiguration(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let parts = UnsafeBufferPointer(start: bytes, count: count)
        .split(separator: 0xff, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return -1 }
    let name = String(decoding: parts[0], as: UTF8.self)
    let registry = name.prefix { $0 != "/" }
    let path = name.dropFirst(registry.count)

    let key = DockerConfiguration.key(name)
    precondition(DockerConfiguration.key(key) == key, "the one form of a name has another form")
    do {
        let configuration = try DockerConfiguration(decoding: Array(parts[1]), path: "config.json")
        precondition(configuration.helper(registry: String(registry)) != "", "a helper without a name")
        let found = try configuration.credential(registry: String(registry), path: String(path))
        let same = try configuration.credential(registry: "\(registry)/", path: "/\(path)/")
        precondition(found == same, "another spelling finds another credential")
        switch found {
        case .password(let username, _):
            precondition(!username.isEmpty, "a password of nobody")
            precondition("\(found as Any)" == "Optional(a password)", "a description shows a secret")
        case .identityToken(let token), .registryToken(let token):
            precondition(!token.isEmpty, "an empty token")
        case nil: break
        }
    } catch let error as RegistryError {
        precondition(!error.description.contains("\n"), "a message of several lines")
    } catch {}
    return 0
}
