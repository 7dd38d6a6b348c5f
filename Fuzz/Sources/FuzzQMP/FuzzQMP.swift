/// Cuts what an engine says into lines, whole and in pieces, which must come to the same, and reads each as a message.
@c(LLVMFuzzerTestOneInput)
public func fuzzQMP(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let said = UnsafeBufferPointer(start: bytes, count: count)
    let whole = lines(said, step: max(1, count))
    precondition(whole == lines(said, step: 61), "pieces make other lines than the whole")
    for line in whole ?? [] {
        if case .failed(_, let reason) = QMPMessage(line) {
            precondition(reason.count <= 200, "a reason without bound")
        }
    }
    return 0
}

/// The complete lines; `nil` when a bound is passed.
private func lines(_ said: UnsafeBufferPointer<UInt8>, step: Int) -> [[UInt8]]? {
    var reader = QMPLineReader()
    var lines: [[UInt8]] = []
    for start in stride(from: 0, to: said.count, by: step) {
        guard let next = reader.lines(said[start..<min(start + step, said.count)]) else { return nil }
        lines += next
    }
    return lines
}
