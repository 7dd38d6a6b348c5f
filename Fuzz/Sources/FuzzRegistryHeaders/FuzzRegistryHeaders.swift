@testable import RegistryParsers

/// Reads lines as what registries say in the header fields of their answers: challenges, addresses and pauses. What is
/// accepted must mean the same after being written and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzRegistryHeaders(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let fields = UnsafeBufferPointer(start: bytes, count: count).split(separator: UInt8(ascii: "\n"))
        .map { String(decoding: $0, as: UTF8.self) }
    check(AuthenticationChallenge.parse(fields))
    var base: WebAddress?
    for field in fields {
        if let address = WebAddress(field, relativeTo: base) {
            check(address)
            base = address
        }
        if let pause = RetryAfter.parse(field) {
            precondition(pause >= .zero && pause <= .seconds(UInt32.max), "a pause without bound")
        }
    }
    return 0
}

private func check(_ challenges: [AuthenticationChallenge]) {
    precondition(challenges.count <= AuthenticationChallenge.maximumChallenges, "more challenges than the limit")
    for challenge in challenges {
        precondition(challenge.parameters.count <= AuthenticationChallenge.maximumParameters, "more than the limit")
        let parameters = challenge.parameters.sorted { $0.key < $1.key }.map { name, value in
            let quoted = value.utf8.flatMap { "\\\"".utf8.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
            return "\(name)=\"\(String(decoding: quoted, as: UTF8.self))\""
        }
        let field = "\(challenge.scheme) \(challenge.token68 ?? parameters.joined(separator: ", "))"
        guard field.utf8.count <= AuthenticationChallenge.maximumSize else { continue }
        precondition(AuthenticationChallenge.parse([field]) == [challenge], "a challenge changed")
    }
}

private func check(_ address: WebAddress) {
    precondition(WebAddress(address.text) == address, "an address changed")
    precondition(!address.origin.host.isEmpty && address.target.hasPrefix("/"), "an address without host or path")
    precondition(address.text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "an address that is no text of a request")
    precondition(!address.origin.host.utf8.contains { "/@?#\\".utf8.contains($0) }, "a host that is more than a host")
}
