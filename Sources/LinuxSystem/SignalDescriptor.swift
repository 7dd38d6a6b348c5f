import CLinux
import Glibc

/// Signals as readable bytes: signalfd(2) over signals that are blocked for the whole process.
public struct SignalDescriptor: Sendable {
    /// Readable when a signal is pending.
    public let descriptor: Descriptor

    /// Blocks `signals` in the calling thread and those it makes later, and receives them here instead. To be made before
    /// other threads are.
    public init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        guard pthread_sigmask(SIG_BLOCK, &set, nil) == 0 else { throw SystemError("block signals") }
        let number = linux_signalfd(&set)
        guard number >= 0 else { throw SystemError("signalfd") }
        descriptor = Descriptor(owning: number)
    }

    /// Waits for the next signal and returns its number. Blocks the calling thread.
    public func next() throws(SystemError) -> Int32 {
        var info = signalfd_siginfo()
        let result = withUnsafeMutableBytes(of: &info) { buffer in
            Result { () throws(SystemError) in try descriptor.read(into: buffer) }
        }
        guard try result.get() == MemoryLayout<signalfd_siginfo>.size else {
            throw SystemError("read signals", number: EIO)
        }
        return Int32(bitPattern: info.ssi_signo)
    }
}

extension SignalDescriptor {
    /// Calls `handler` for each signal, on a thread that lives as long as the process.
    public func forward(to handler: @escaping @Sendable (Int32) -> Void) throws(SystemError) {
        try DedicatedThread.start {
            while let signal = try? next() { handler(signal) }
        }
    }
}
