import TrafficInspection

/// Reads messages of HTTP/1, requests or responses, leniently or strictly, as the first byte says, whole and in parts: both
/// must give the same. A head that was read must be read the same when it is written anew, which is what the other side
/// gets.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP1(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let kind = input.first else { return 0 }
    let reading = [.requests, .responses, .strictResponses, .requests][Int(kind & 3)] as HTTPReading
    let text = Array(input.dropFirst())
    let whole = read(text, reading, size: text.count + 1)
    let parts = read(text, reading, size: Int(kind >> 2) % 7 + 1)
    precondition(whole.heads == parts.heads, "heads depend on how they come")
    precondition(whole.body == parts.body, "bodies depend on how they come")
    precondition(whole.fails == parts.fails, "failures depend on how bytes come")
    for head in whole.heads {
        let again = read(head.encoded(), reading, size: .max)
        precondition(again.heads.first.map { $0 == head } ?? false, "a head is another when it is written anew")
        if case .request(let method, let target) = head.start {
            _ = try? RequestHost.of(RequestHead(method: method, target: target, authority: nil, fields: head.fields))
        }
    }
    return 0
}

private func read(_ text: [UInt8], _ reading: HTTPReading, size: Int) -> (heads: [HTTPHead], body: [UInt8], fails: Bool)
{
    var reader = HTTPMessageReader(reading)
    var heads: [HTTPHead] = []
    var body: [UInt8] = []
    var buffer: [UInt8] = []
    var rest = text[...]
    do {
        while true {
            // Every response is one to a request.
            if reading != .requests, reader.isBeforeHead { reader.expectResponse(toHEAD: false) }
            let (step, consumed) = try buffer.withUnsafeBytes { try reader.step($0) }
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
