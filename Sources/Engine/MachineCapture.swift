import LinuxSystem

/// What of a machine in use was written down; see ``Machine/capture(memory:engine:)``.
public struct MachineCapture: Sendable {
    /// The memory: that from which the machine went on, with the new layer.
    public var memory: FrozenMemory
    /// The engine without its program, where one was written.
    public var engine: Engine?
    /// Why there is none, though the machine is emulated.
    public var engineProblem: String?

    /// An engine that was frozen in use.
    public struct Engine: Sendable {
        /// The programs that it is made from.
        public var parents: [Descriptor]
        /// What belongs to it.
        public var layout: FrozenEngine.Layout
    }
}
