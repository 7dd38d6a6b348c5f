import OCI

/// Reads a document as a manifest, an index and a configuration. What is accepted must survive being written and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzManifest(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let document = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let manifest = try? Manifest(decoding: document) {
        precondition(rewritten(manifest) { bytes throws(OCIError) in try Manifest(decoding: bytes) } == manifest)
    }
    if let index = try? Index(decoding: document) {
        precondition(rewritten(index) { bytes throws(OCIError) in try Index(decoding: bytes) } == index)
        if let chosen = try? index.choose(.host) {
            precondition(index.manifests.contains(chosen), "an entry was chosen that is not there")
        }
        for name in index.manifests.compactMap(\.imageName) { _ = try? Reference(name) }
    }
    do { _ = try ImageConfiguration(decoding: document) } catch {
        precondition(!error.description.contains("\n"), "a message of several lines")
    }
    return 0
}

/// The value after being written and read again.
private func rewritten<Value: Encodable>(_ value: Value, _ read: ([UInt8]) throws(OCIError) -> Value) -> Value {
    do { return try read(try BoundedJSON.encode(value)) } catch { fatalError("what was written is refused: \(error)") }
}
