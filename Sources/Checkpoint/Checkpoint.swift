import Glibc
import LinuxSystem

/// A process that was stopped, written as a program that goes on where the process stood.
///
/// The program file holds all of the process's memory and, in front, a few instructions that lay it out again: private
/// mappings of the file, so that what a copy does not change all of them share. Threads get their registers as they get
/// them after a signal, by rt_sigreturn(2). The process's descriptors are the business of whoever starts the program.
///
/// The program is tied to this boot of this host: to the kernel's vDSO, the processor's features and the clock.
public struct Checkpoint: Sendable, Equatable {
    /// The descriptors that the process had, by number. The program expects what is like it at the same numbers.
    public var descriptors: [FrozenDescriptor]
    /// The number at which the program expects itself, open for reading; above those of ``descriptors``.
    public var program: Int32
    /// The number at which it expects the file whose memory it works on a copy of.
    public var memory: Int32

    /// A checkpoint as it was written down.
    public init(descriptors: [FrozenDescriptor], program: Int32, memory: Int32) {
        self.descriptors = descriptors
        self.program = program
        self.memory = memory
    }

    /// Freezes a process, child of this one, that waits and has threads that wait. It goes on afterwards.
    ///
    /// Blocks the calling thread.
    /// - Parameters:
    ///   - pid: the process.
    ///   - memory: a file that the process has mapped, shared with others. The program maps what is given to it in that
    ///     place, as a copy.
    ///   - file: where the program is written; empty, opened for writing.
    /// - Throws: ``CheckpointError``, `SystemError`.
    public static func take(of pid: pid_t, memory: Descriptor, to file: Descriptor) throws -> Checkpoint {
        let process = try TracedProcess(pid)
        let descriptors = try FrozenDescriptor.all(of: pid)
        let next = (descriptors.map(\.number).max() ?? 2) + 1
        let checkpoint = Checkpoint(descriptors: descriptors, program: next, memory: next + 1)
        var program = try ProgramFile(file, checkpoint)
        let status = try memory.status()
        try program.add(try process.ranges(), of: process, memoryInode: UInt64(status.st_ino))
        try program.finish(threads: try process.threads(), signals: try process.signalActions())
        return checkpoint
    }
}
