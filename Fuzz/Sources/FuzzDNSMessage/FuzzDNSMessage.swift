import DNSMessage

/// Reads a message of DNS. What is read must be the same when it is written and read again, at whichever size, and
/// whatever is made of it must be readable.
@c(LLVMFuzzerTestOneInput)
public func fuzzDNSMessage(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let error = DNSMessage.formatError(for: input) { check(error) }
    guard let message = try? DNSMessage(input) else { return 0 }
    check(message)
    for limit in [0, 512, 1232] {
        let short = message.encoded(limit: limit)
        precondition(short.count <= max(limit, 512), "longer than the limit")
        precondition((try? DNSMessage(short)) != nil, "a shortened message that cannot be read")
    }
    check(message.withoutServiceHints())
    check(message.aged(by: 10, within: 1...1000))
    check(message.answer(.refused, message.chain))
    precondition(message.chain.count <= message.answers.count * 20, "a chain longer than it can be")
    _ = (message.ttl, message.negativeTTL, message.answerSize)
    if let name = message.question?.name {
        precondition(name.description.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "a name with control characters")
        if let domain = name.domainName, domain != .root { precondition(DNSName(domain) == name, "another name") }
        _ = name.reversedAddress
    }
    return 0
}

/// Options of extensions may be left out for lack of room, and a message of many names may grow beyond what it can be:
/// then records are.
private func check(_ message: DNSMessage) {
    guard let again = try? DNSMessage(message.encoded()) else { preconditionFailure("not readable") }
    if again.flags.isTruncated != message.flags.isTruncated { return }
    precondition(again.question == message.question && again.answers == message.answers, "another message")
    precondition(again.authorities == message.authorities, "another message")
}
