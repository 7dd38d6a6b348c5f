import Engine
import LinuxSystem

/// A frozen machine that has booted and waits to be told who it is; sandboxes' machines are forks of it.
public struct Template: Sendable {
    /// Its name in the store.
    public let name: String
    /// Virtual processors.
    public let cpus: Int
    /// Memory in bytes.
    public let memory: Int64

    /// The file that was its memory, opened for reading only.
    let memoryFile: Descriptor
    /// Its writable disk, opened for reading only: one that has never been used, as a new sandbox begins with when its own
    /// shall be ``MachineLayout/freshDiskSize`` large.
    public let freshDisk: Descriptor
    /// The state of its devices.
    let state: [UInt8]
    /// Its engine, where that was frozen too.
    let engine: FrozenEngine?
    /// What its forks ask for when they are frozen in their turn.
    public let fingerprint: EngineFingerprint

    /// What a fork of it is made of: the machine that `QEMUMachine.start` starts from this is configured by its first
    /// message, without having said that it is ready.
    /// - Parameters:
    ///   - image: what the image's disk is joined from.
    ///   - upper: the file of the writable disk, opened for reading and writing; it becomes very long and stays sparse.
    ///     The machine must be configured in the same sense.
    ///   - diskLimit: how far the engine may write to it, in bytes.
    ///   - userNumber: as in `MachineSpecification`.
    public func fork(
        image: [MachineSpecification.Disk.Extent], upper: MachineLayout.Upper, diskLimit: Int64, userNumber: UInt32
    ) throws(TemplateError) -> MachineSpecification {
        try TemplateError.wrap {
            try MachineLayout.machine(
                cpus: cpus, memory: memory, origin: try origin(), image: image, upper: upper, diskLimit: diskLimit,
                userNumber: userNumber)
        }
    }

    private func origin() throws -> MachineSpecification.Origin {
        if let engine { return .thawed(memory: FrozenMemory(size: memory, base: memoryFile), engine: engine) }
        // A copy: what was checked is what is used, and each fork reads from the beginning.
        let copy = try Descriptor.memory("state")
        try copy.write(state)
        return .frozen(memory: memoryFile, state: try copy.reopened())
    }
}
