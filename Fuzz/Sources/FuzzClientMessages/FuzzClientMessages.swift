import AgentProtocol
import Control

/// Reads frames as a supervisor does from a client of its control socket. A message must mean the same after being written
/// and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzClientMessages(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var decoder = FrameDecoder()
    decoder.append(UnsafeBufferPointer(start: bytes, count: count)[...])
    while let frame = try? decoder.next() {
        guard let message = try? ClientMessage(frame) else { continue }
        // JSON may grow beyond one frame when it is written anew.
        guard let written = try? message.frame() else { continue }
        precondition((try? ClientMessage(written)) == message, "a message of a client changed")
    }
    return 0
}
