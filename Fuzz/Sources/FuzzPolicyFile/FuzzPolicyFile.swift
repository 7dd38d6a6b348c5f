import Foundation
import NetworkPolicy
import PolicyFile

/// Reads a file of a policy. What is read must be the same when it is written as JSON and read again, as a file and as
/// the policy's own form.
@c(LLVMFuzzerTestOneInput)
public func fuzzPolicyFile(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do {
        let policy = try PolicyFile.policy(Array(UnsafeBufferPointer(start: bytes, count: count)))
        guard let written = try? JSONEncoder().encode(policy) else { preconditionFailure("not writable") }
        precondition((try? PolicyFile.policy(Array(written))) == policy, "another policy")
        precondition((try? JSONDecoder().decode(NetworkPolicy.self, from: written)) == policy, "another policy")
    } catch {
        precondition(error.description.utf8.allSatisfy { $0 >= 0x20 }, "a message of several lines")
    }
    return 0
}
