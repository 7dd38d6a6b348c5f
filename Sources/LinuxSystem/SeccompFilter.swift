import CLinux
import Glibc

/// A seccomp filter for x86-64, as a list of system calls with what becomes of each. See seccomp(2).
///
/// Calls of other architectures and of the x32 ABI kill the process, whatever the rules say.
public struct SeccompFilter: Sendable {
    /// What becomes of a call.
    public enum Action: Sendable, Equatable {
        case allow
        /// The call fails with this error number.
        case fail(Int32)
        /// The whole process ends with SIGSYS.
        case kill
        /// Whoever put the filter on decides; the call fails with `ENOSYS` once nobody listens any more.
        case ask

        var code: UInt32 {
            switch self {
            case .allow: 0x7fff_0000
            case .fail(let number): 0x0005_0000 | UInt32(truncatingIfNeeded: number) & 0xfff
            case .kill: 0x8000_0000
            case .ask: 0x7fc0_0000
            }
        }
    }

    /// A condition on one argument of a call.
    public enum Condition: Sendable {
        /// The argument's low 32 bits are one of these.
        case oneOf(argument: Int, [UInt32])
        /// Of the argument's low 32 bits, those in `mask` equal `value`.
        case masked(argument: Int, mask: UInt32, value: UInt32)
        /// The argument is the number of the process that the filter is put on.
        case ownProcess(argument: Int)
    }

    private(set) var instructions: [sock_filter] = []
    private(set) var processSlots: [Int32] = []

    /// A filter without rules yet.
    public init() {
        append(Opcode.loadWord, 4)  // seccomp_data.arch
        append(Opcode.jumpEqual, 0xc000_003e, yes: 1, no: 0)  // AUDIT_ARCH_X86_64
        append(Opcode.answer, Action.kill.code)
        append(Opcode.loadWord, 0)  // seccomp_data.nr
        append(Opcode.jumpNotLess, 0x4000_0000, yes: 0, no: 1)  // the x32 ABI's bit
        append(Opcode.answer, Action.kill.code)
    }

    /// Decides these calls, unless an earlier rule has.
    public mutating func add(_ calls: [Int32], _ action: Action) {
        for call in calls {
            append(Opcode.jumpEqual, UInt32(bitPattern: call), yes: 0, no: 1)
            append(Opcode.answer, action.code)
        }
    }

    /// Decides a call by one argument: `action` where the condition holds, `otherwise` where it does not.
    public mutating func add(_ call: Int32, when condition: Condition, _ action: Action = .allow, otherwise: Action) {
        var test = SeccompFilter(instructions: [])
        switch condition {
        case .oneOf(let argument, let values):
            test.loadArgument(argument)
            for value in values { test.addTest(value, action) }
        case .masked(let argument, let mask, let value):
            test.loadArgument(argument)
            test.append(Opcode.and, mask)
            test.addTest(value, action)
        case .ownProcess(let argument):
            test.loadArgument(argument)
            test.processSlots = [Int32(test.instructions.count)]
            test.addTest(0, action)
        }
        test.append(Opcode.answer, otherwise.code)
        // A test always ends with an answer, so that the call's number is still loaded for the rules after it.
        append(Opcode.jumpEqual, UInt32(bitPattern: call), yes: 1, no: 0)
        append(Opcode.jump, UInt32(test.instructions.count))
        processSlots += test.processSlots.map { $0 + Int32(instructions.count) }
        instructions += test.instructions
    }

    /// Decides every call that no rule has decided; ends the filter.
    public mutating func finish(_ action: Action) { append(Opcode.answer, action.code) }

    /// Puts the filter on the calling process, which must have given up new privileges, for good. Without conditions on
    /// the process's own number.
    public func restrictProcess() throws(SystemError) {
        var instructions = instructions
        guard let length = UInt16(exactly: instructions.count), processSlots.isEmpty else {
            throw SystemError("put a seccomp filter on", number: EINVAL)
        }
        // The kernel copies the instructions before the call returns.
        let result = instructions.withUnsafeMutableBufferPointer { linux_wall_filter($0.baseAddress, length) }
        guard result == 0 else { throw SystemError("put a seccomp filter on") }
    }

    private init(instructions: [sock_filter]) { self.instructions = instructions }

    private mutating func loadArgument(_ argument: Int) {
        append(Opcode.loadWord, UInt32(16 + 8 * argument))  // seccomp_data.args, low half
    }

    private mutating func addTest(_ value: UInt32, _ action: Action) {
        append(Opcode.jumpEqual, value, yes: 0, no: 1)
        append(Opcode.answer, action.code)
    }

    private mutating func append(_ code: UInt16, _ value: UInt32, yes: UInt8 = 0, no: UInt8 = 0) {
        instructions.append(sock_filter(code: code, jt: yes, jf: no, k: value))
    }

    /// Classic BPF instructions, as <linux/bpf_common.h> composes them.
    private enum Opcode {
        static let loadWord: UInt16 = 0x20  // BPF_LD | BPF_W | BPF_ABS
        static let jump: UInt16 = 0x05  // BPF_JMP | BPF_JA
        static let jumpEqual: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
        static let jumpNotLess: UInt16 = 0x35  // BPF_JMP | BPF_JGE | BPF_K
        static let and: UInt16 = 0x54  // BPF_ALU | BPF_AND | BPF_K
        static let answer: UInt16 = 0x06  // BPF_RET | BPF_K
    }
}
