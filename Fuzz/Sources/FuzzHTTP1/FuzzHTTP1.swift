/// Reads messages of HTTP/1, requests or responses as the first byte says, whole and in parts: both must give the same. A
/// head that was read must be read the same when it is written anew, which is what the other side gets.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP1(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let kind = input.first else { return 0 }
    let isRequest = kind & 1 == 0
    let text = Array(input.dropFirst())
    let whole = read(text, isRequest: isRequest, size: text.count + 1)
    let parts = read(text, isRequest: isRequest, size: Int(kind >> 1) % 7 + 1)
    precondition(whole.heads == parts.heads, "heads depend on how they come")
    precondition(whole.body == parts.body, "bodies depend on how they come")
    precondition(whole.fails == parts.fails, "failures depend on how bytes come")
    for head in whole.heads {
        let again = read(head.encoded(), isRequest: isRequest, size: .max)
        precondition(again.heads.first.map { $0 == head } ?? false, "a head is another when it is written anew")
        if case .request(let method, let target) = head.start {
            _ = try? RequestHost.of(RequestHead(method: method, target: target, authority: nil, fields: head.fields))
        }
    }
    return 0
}

private func read(_ text: [UInt8], isRequest: Bool, size: Int) -> (heads: [HTTP1Head], body: [UInt8], fails: Bool) {
    var parser = HTTP1Parser(isRequest: isRequest)
    var heads: [HTTP1Head] = []
    var body: [UInt8] = []
    var buffer: [UInt8] = []
    var rest = text[...]
    do {
        while true {
            // Every response is one to a request.
            if !isRequest, parser.isBeforeHead { parser.expectResponse(to: Array("GET".utf8)) }
            let (step, consumed) = try buffer.withUnsafeBytes { try parser.step($0) }
            buffer.removeFirst(consumed)
            switch step {
            case .more:
                if consumed > 0 { continue }
                if rest.isEmpty { return (heads, body, false) }
                buffer += rest.prefix(size)
                rest = rest.dropFirst(size)
            case .head(let head): heads.append(head)
            case .body(let count):
                body += buffer.prefix(count)
                buffer.removeFirst(count)
            case .end(let trailers): body += trailers.flatMap { $0.name + $0.value }
            }
        }
    } catch {
        return (heads, body, true)
    }
}
