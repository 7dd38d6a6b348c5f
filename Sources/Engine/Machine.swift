import LinuxSystem

/// One running virtual machine, whatever engine runs it.
///
/// The owner reads ``agentPort``, ``console`` and ``messages`` all the time: what nobody reads slows the guest down.
public protocol Machine: Sendable {
    /// What runs the machine, and which walls stand round it.
    var description: MachineDescription { get }

    /// The host's end of the byte stream to the guest's agent: a connected stream socket.
    var agentPort: Descriptor { get }
    /// The host's end of the guest's console `hvc0`: a connected stream socket. What comes is the guest's choice.
    var console: Descriptor { get }
    /// What the engine itself says on its standard error: the reading end of a pipe. It never blocks the engine;
    /// what is not read in time is lost.
    var messages: Descriptor { get }

    /// Stops the guest's processors until ``resume()``. Returns when they stand.
    /// - Throws: ``EngineError``.
    func pause() async throws(EngineError)
    /// Lets the guest's processors run again.
    /// - Throws: ``EngineError``.
    func resume() async throws(EngineError)
    /// Stops the guest's processors for good and writes all of the machine to `state` but its memory and its disks. With
    /// that and the file of its memory others go on from here, as ``MachineSpecification/Origin/frozen(memory:state:)``.
    /// This machine can only be ended afterwards.
    /// - Throws: ``EngineError``.
    func freeze(to state: Descriptor) async throws(EngineError)
    /// Writes down what this machine, which goes on from a frozen one and stands still, has changed of its memory, and of
    /// its engine. It is as before then, and may go on.
    /// - Parameters:
    ///   - memory: where the pages go; empty, opened for reading and writing.
    ///   - engine: where the program goes, likewise; `nil` for none. Nothing is written on KVM.
    ///   - other: a memory to refer to for what is the same there, where that saves much.
    /// - Throws: ``EngineError``.
    func capture(
        memory: Descriptor, engine: Descriptor?, over other: FrozenMemory?
    ) async throws(EngineError) -> MachineCapture
    /// Asks the engine to end in good order: writes under way come to their files, the guest is not asked.
    /// Returns when the engine has agreed; ``waitForExit()`` tells when it is gone.
    /// - Throws: ``EngineError``.
    func stop() async throws(EngineError)
    /// Ends the engine at once. Never blocks, never fails; nothing happens when it has ended.
    func kill()
    /// Waits for the end of the engine, which may have come already, and tells how it came.
    func waitForExit() async -> MachineExit
}

/// What runs a machine.
public struct MachineDescription: Sendable, Equatable {
    /// The kind of engine: `portable` is QEMU's microvm.
    public var engine: String
    /// What executes the guest's instructions.
    public var accelerator: Accelerator
    /// The engine's program file.
    public var binary: String
    /// The process that runs the machine.
    public var pid: Int32
    /// The walls round the engine.
    public var walls: Walls
}

/// What executes a guest's instructions.
public enum Accelerator: String, Sendable {
    /// The processor, through `/dev/kvm`: a boundary of the hardware.
    case kvm
    /// A program. The boundary is the correctness of that program and the walls round it.
    case emulated
}

/// How a machine ended.
public struct MachineExit: Sendable, Equatable {
    /// Why the engine ended.
    public enum Cause: Sendable, Equatable {
        /// The guest turned itself off, or reset itself, which is the same here: no machine starts twice.
        case guestShutdown
        /// The guest's kernel reported that it can not go on.
        case guestPanic
        /// ``Machine/stop()``.
        case stopped
        /// A signal from ``Machine/kill()`` or from elsewhere.
        case signal(Int32)
        /// The engine gave up on its own, with this exit code.
        case failure(code: Int32)
    }

    /// Why the engine ended.
    public var cause: Cause
    /// The last lines that the engine said on its standard error, at most 4 KiB, without control characters.
    public var lastMessages: String
}
