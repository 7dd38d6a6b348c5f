import Glibc
import LinuxSystem

/// A process that was stopped, written as a program that goes on where the process stood.
///
/// The program file holds the process's memory and, in front, a few instructions that lay it out again: private mappings of
/// files, so that what a copy does not change all of them share. Threads get their registers as they get them after a
/// signal, by rt_sigreturn(2). The process's descriptors are the business of whoever starts the program.
///
/// The program is tied to this boot of this host: to the kernel's vDSO, the processor's features and the clock.
public struct Checkpoint: Sendable, Equatable {
    /// The descriptors that the process had, by number. The program expects what is like it at the same numbers.
    public var descriptors: [FrozenDescriptor]
    /// The number at which the program expects itself, open for reading; above those of ``descriptors``. The files that it
    /// was frozen with follow.
    public var program: Int32
    /// How many these are.
    public var files: Int32

    /// A checkpoint as it was written down.
    public init(descriptors: [FrozenDescriptor], program: Int32, files: Int32) {
        self.descriptors = descriptors
        self.program = program
        self.files = files
    }

    /// A part of a process's memory that its owner keeps in files, and what the program finds there.
    public struct OwnedMemory: Sendable {
        /// Where it lies in the process.
        public var bounds: Range<UInt64>
        /// All of it, in order.
        public var parts: [Part]

        /// Some of the memory.
        public struct Part: Sendable, Equatable {
            /// Bytes, whole pages.
            public var length: Int64
            /// The file, by its place in the list that the process is frozen with.
            public var file: Int
            /// Where it begins in the file.
            public var offset: Int64

            /// Some of the memory.
            public init(length: Int64, file: Int, offset: Int64) {
                self.length = length
                self.file = file
                self.offset = offset
            }
        }

        /// Memory that its owner keeps.
        public init(bounds: Range<UInt64>, parts: [Part]) {
            self.bounds = bounds
            self.parts = parts
        }
    }

    /// Freezes a process, child of this one, that waits and has threads that wait. It goes on afterwards.
    ///
    /// Blocks the calling thread.
    /// - Parameters:
    ///   - pid: the process.
    ///   - memory: what of its memory is not written to the program.
    ///   - files: what ``OwnedMemory`` speaks of, and programs that the process was thawed from: what it has not changed of
    ///     their memory is found there again.
    ///   - file: where the program is written; empty, opened for writing.
    /// - Throws: ``CheckpointError``, `SystemError`.
    public static func take(
        of pid: pid_t, memory: OwnedMemory, sharing files: [Descriptor], to file: Descriptor
    ) throws -> Checkpoint {
        let process = try TracedProcess(pid)
        let descriptors = try FrozenDescriptor.all(of: pid)
        let checkpoint = Checkpoint(
            descriptors: descriptors, program: (descriptors.map(\.number).max() ?? 2) + 1, files: Int32(files.count))
        let threads = try process.threads()
        var program = ProgramFile(file, checkpoint, inodes: try files.map { UInt64(try $0.status().st_ino) })
        try program.add(
            try process.ranges(), of: process, memory)
        try program.finish(threads: threads, signals: try process.signalActions())
        return checkpoint
    }
}
