import TrafficInspection

/// Looks for placeholders in bytes that come whole and in parts: what is found in the whole is found in the parts. Text in
/// Base64 is what its bytes are written as.
@c(LLVMFuzzerTestOneInput)
public func fuzzPlaceholders(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let first = input.first else { return 0 }
    let text = Array(input.dropFirst())
    for scanner in scanners {
        let whole = scanner.found(in: text)
        for size in [1, Int(first) % 40 + 1] {
            var stream = StreamScanner(scanner)
            var found: Set<Int> = []
            for start in stride(from: 0, to: text.count, by: size) {
                let part = Array(text[start..<min(start + size, text.count)])
                found.formUnion(part.withUnsafeBytes { stream.feed($0) })
            }
            precondition(found.isSuperset(of: whole), "a placeholder was lost between parts")
        }
        for hit in scanner.hits(in: text) {
            precondition(text[hit.start...].starts(with: scanner.placeholders[hit.index]), "a hit is none")
        }
        _ = scanner.foundIgnoringCase(in: text)
    }
    if let decoded = Base64.decoded(text) {
        precondition(Base64.decoded(Base64.encoded(decoded)) == decoded, "Base64 changed")
    }
    return 0
}

private let scanners = [
    PlaceholderScanner(["sandpiper-secret-aaaa", "sandpiper-secret-bbbbbb"].map { Array($0.utf8) }),
    PlaceholderScanner(["abababababababac", "zzzzzzzzzzzzzzzzzzzz"].map { Array($0.utf8) }),
]
