import CLinux
import Glibc
import LinuxSystem

/// Finds out whether KVM really works, by running a guest.
///
/// That `/dev/kvm` opens, and even that a guest runs, proves nothing: some hypervisors offer a KVM that interprets
/// ordinary code at two million instructions per second. So the rate decides.
public struct KVMProbe: Sendable {
    /// Two instructions each. A processor takes a fraction of a millisecond, a machine that is itself emulated about 5 ms.
    private static let iterations: UInt32 = 200_000
    /// Milliseconds within which they must be done.
    private static let limit: Int32 = 40
    /// A busy host may take the processor away in the middle; it rarely does three times.
    private static let attempts = 3

    private let cache: String

    /// A probe that keeps its answer in the file `kvm` of this directory until the host boots anew.
    public init(cacheDirectory: String) { cache = cacheDirectory + "/kvm" }

    /// Whether KVM works: from the cache, or else from a trial that takes at most 120 ms. Blocks the calling thread.
    public func state() -> KVMState {
        if access("/dev/kvm", F_OK) != 0 { return .missing }
        if access("/dev/kvm", R_OK | W_OK) != 0 { return .forbidden }
        let boot = try? FileTree.read("/proc/sys/kernel/random/boot_id", limit: 256)
        let identity = String(decoding: boot ?? [], as: UTF8.self).prefix { !$0.isNewline }
        if !identity.isEmpty, let known = read(identity) { return known }
        let found = Self.trial()
        if !identity.isEmpty { write(found, identity) }
        return found
    }

    /// Runs the trial, whatever the cache says.
    public static func trial() -> KVMState {
        var state = KVMState.slow
        for _ in 0..<attempts {
            state = verdict(linux_kvm_try(iterations, limit))
            if state == .works { break }
        }
        return state
    }

    private static func verdict(_ trial: linux_kvm_trial) -> KVMState {
        func failed(_ action: String) -> KVMState {
            .broken(SystemError(action, number: trial.number).description)
        }
        switch linux_kvm_stage(UInt32(bitPattern: trial.stage)) {
        case linux_kvm_done: return .works
        case linux_kvm_time: return .slow
        case linux_kvm_open:
            switch trial.number {
            case ENOENT, ENODEV, ENXIO: return .missing
            case EACCES, EPERM: return .forbidden
            default: return failed("open")
            }
        case linux_kvm_version: return .broken("it speaks another version of the interface")
        case linux_kvm_create: return failed("create a machine")
        case linux_kvm_memory: return failed("give it memory")
        case linux_kvm_processor: return failed("give it a processor")
        case linux_kvm_run: return failed("run it")
        case linux_kvm_exit: return .broken("the guest left with reason \(trial.number)")
        default: return failed("run the trial")
        }
    }

    // The file's lines: the identity of the boot, a word for the state, and the reason if the state has one.

    private func read(_ identity: Substring) -> KVMState? {
        guard let bytes = try? FileTree.read(cache, limit: 4096) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines[0] == identity else { return nil }
        switch lines[1] {
        case "works": return .works
        case "slow": return .slow
        case "broken": return .broken(String(lines[2]))
        default: return nil
        }
    }

    private func write(_ state: KVMState, _ identity: Substring) {
        let answer: String
        switch state {
        case .works: answer = "works\n"
        case .slow: answer = "slow\n"
        case .broken(let reason): answer = "broken\n\(reason)"
        case .missing, .forbidden: return  // changes without a boot, and costs nothing to see
        }
        // Where nothing can be kept, the next run tries again: slower, not wrong.
        try? FileTree.writeAtomically(Array("\(identity)\n\(answer)\n".utf8), to: cache)
    }
}
