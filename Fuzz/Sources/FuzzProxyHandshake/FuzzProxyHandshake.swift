import NetworkAddress
import SandboxState

/// What a proxy answers, over HTTP and SOCKS, with and without a password, whole and in pieces, which must come to the
/// same; and where a proxy is. The first byte says which, the rest is what the proxy says, or the URL.
@c(LLVMFuzzerTestOneInput)
public func fuzzProxyHandshake(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let kind = input.first else { return 0 }
    let answer = Array(input.dropFirst())
    if kind & 8 != 0 {
        read(String(decoding: answer, as: UTF8.self))
        return 0
    }
    let credentials = kind & 1 == 0 ? nil : try? ProxyCredentials(userInfo: "user:password")
    let name = kind & 4 == 0 ? nil : DomainName("server.example")
    let target = Endpoint(.v4(IPv4Address(192, 0, 2, 1)), 443)
    let handshake = ProxyHandshake(kind & 2 == 0 ? .http : .socks5, to: target, name, credentials)
    let whole = hear(answer, by: handshake, step: max(answer.count, 1))
    for step in [1, 7] {
        let pieces = hear(answer, by: handshake, step: step)
        precondition(whole == pieces, "pieces make another answer than the whole")
    }
    if case .refused(.prohibited(let reason)) = whole.end { precondition(reason.count < 100, "a reason without bound") }
    return 0
}

/// How a handshake ends, what was said for it, and how many bytes were taken.
private struct Course: Equatable {
    var said: [[UInt8]] = []
    var taken = 0
    var end = ProxyHandshake.Step.needMore
}

private func hear(_ answer: [UInt8], by beginning: ProxyHandshake, step: Int) -> Course {
    var (handshake, course) = (beginning, Course())
    for end in Array(stride(from: step, to: answer.count, by: step)) + [answer.count] {
        while true {
            // As the gateway looks at what has come: no more of it at a time.
            let pending = Array(answer[course.taken..<end].prefix(ProxyHandshake.longestAnswer))
            course.end = handshake.next(pending)
            switch course.end {
            case .needMore: break
            case .send(let bytes, let count):
                precondition(count > 0 && count <= pending.count && course.said.count < 2)
                course.said.append(bytes)
                course.taken += count
                continue
            case .done(let count):
                precondition(count > 0 && count <= pending.count)
                course.taken += count
                return course
            case .refused: return course
            }
            break
        }
    }
    return course
}

/// Reads where a proxy is; what it is shown as leads to the same again, without user and password.
private func read(_ text: String) {
    guard let proxy = try? UpstreamProxy(text) else { return }
    guard let again = try? UpstreamProxy(proxy.description) else { preconditionFailure("what is shown is no proxy") }
    precondition(again.scheme == proxy.scheme && again.host == proxy.host && again.port == proxy.port)
    precondition(again.credentials == nil)
    if let credentials = proxy.credentials {
        precondition(max(credentials.user.count, credentials.password.count) <= ProxyCredentials.longest)
        precondition(credentials.basic.utf8.allSatisfy { $0 > 0x1f && $0 < 0x7f })
    }
}
