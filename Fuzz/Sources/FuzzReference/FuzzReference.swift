import OCI

/// Reads a reference and a digest. What is accepted must have spellings that mean the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzReference(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    do {
        let reference = try Reference(text)
        precondition((try? Reference(reference.canonical)) == reference, "the canonical spelling means something else")
        precondition((try? Reference(reference.familiar)) == reference, "the familiar spelling means something else")
    } catch {
        precondition(!error.description.contains("\n"), "a message of several lines")
    }
    do {
        let digest = try Digest(text)
        precondition(digest.description == text, "a digest is not what was read")
    } catch {
        precondition(!error.description.contains("\n"), "a message of several lines")
    }
    return 0
}
