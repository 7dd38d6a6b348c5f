import FileProtocol

/// Reads frames as the file server and as its client do. A message must mean the same after being written and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzFileMessages(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var decoder = FileFrameDecoder()
    decoder.append(UnsafeBufferPointer(start: bytes, count: count))
    while let frame = try? decoder.next() {
        if let request = try? FileRequest(frame.payload) {
            precondition(request.payload == frame.payload, "a request changed")
        }
        if let response = try? FileResponse(frame.payload) {
            precondition(response.payload == frame.payload, "a response changed")
        }
    }
    return 0
}
