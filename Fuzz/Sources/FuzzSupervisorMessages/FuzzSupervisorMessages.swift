import AgentProtocol
import Control

/// Reads frames as a client of a control socket does. A message must mean the same after being written and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzSupervisorMessages(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var decoder = FrameDecoder()
    decoder.append(UnsafeBufferPointer(start: bytes, count: count)[...])
    while let frame = try? decoder.next() {
        guard let message = try? SupervisorMessage(frame) else { continue }
        precondition((try? SupervisorMessage(message.frame())) == message, "a message of the supervisor changed")
    }
    return 0
}
