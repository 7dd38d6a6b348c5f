import CCheckpoint

/// What the kernel leaves on a thread's stack for a signal handler, and makes the thread's registers from in
/// rt_sigreturn(2): `struct rt_sigframe` of x86-64 with the vector registers in the layout of XSAVE.
enum SignalFrame {
    private static let vectorAlignment = 64
    /// From the frame's start: the address to return to, `struct ucontext`, and the `siginfo_t` that nobody reads.
    private static let headLength = 8 + 304 + 128
    private static let magic1: UInt32 = 0x4650_5853
    private static let magic2: UInt32 = 0x4650_5845
    /// FXSAVE's bytes that the processor leaves to software.
    private static let softwareBytes = 464
    /// The legacy area and the header of XSAVE.
    private static let smallestVectors = 576

    /// The bytes of a frame that lies at `address`, a multiple of 64.
    static func bytes(
        registers: user_regs_struct, vectors: [UInt8], blocked: UInt64, at address: UInt64
    ) throws(CheckpointError) -> [UInt8] {
        guard vectors.count >= smallestVectors else { throw CheckpointError("the vector registers are too short") }
        let vectorOffset = (headLength + vectorAlignment - 1) / vectorAlignment * vectorAlignment
        var frame = Bytes(count: vectorOffset + vectors.count + 4)
        let registers = afterInterruption(registers)
        // uc_flags: vectors in XSAVE's layout, and SS to be taken as it is.
        frame.set(8, UInt64(0x7))
        // uc_stack: no stack for signals (SS_DISABLE).
        frame.set(8 + 16 + 8, UInt32(2))
        let order: [UInt64] = [
            registers.r8, registers.r9, registers.r10, registers.r11, registers.r12, registers.r13, registers.r14,
            registers.r15, registers.rdi, registers.rsi, registers.rbp, registers.rbx, registers.rdx, registers.rax,
            registers.rcx, registers.rsp, registers.rip, registers.eflags,
        ]
        for (index, value) in order.enumerated() { frame.set(48 + index * 8, value) }
        frame.set(48 + 144, UInt16(truncatingIfNeeded: registers.cs))
        frame.set(48 + 150, UInt16(truncatingIfNeeded: registers.ss))
        frame.set(48 + 184, address + UInt64(vectorOffset))
        frame.set(48 + 256, blocked)

        for (index, byte) in vectors.enumerated() { frame.bytes[vectorOffset + index] = byte }
        // ptrace(2) leaves the mask of enabled features where the frame has its own words.
        let features = (0..<8).reduce(UInt64(0)) { $0 | UInt64(vectors[softwareBytes + $1]) << UInt64($1 * 8) }
        let software = vectorOffset + softwareBytes
        for index in 0..<48 { frame.bytes[software + index] = 0 }
        frame.set(software, magic1)
        frame.set(software + 4, UInt32(vectors.count + 4))
        frame.set(software + 8, features)
        frame.set(software + 16, UInt32(vectors.count))
        frame.set(vectorOffset + vectors.count, magic2)
        return frame.bytes
    }

    /// The registers with which a thread goes on that stood in a system call: most calls are made again, those that only
    /// their kernel could go on with are told to have been interrupted.
    private static func afterInterruption(_ registers: user_regs_struct) -> user_regs_struct {
        guard Int64(bitPattern: registers.orig_rax) >= 0 else { return registers }
        var registers = registers
        switch Int64(bitPattern: registers.rax) {
        case -512, -513, -514:  // ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND
            registers.rax = registers.orig_rax
            registers.rip -= 2
        case -516:  // ERESTART_RESTARTBLOCK
            registers.rax = UInt64(bitPattern: -4)  // EINTR
        default: break
        }
        return registers
    }
}
