import LinuxSystem

/// Why a machine can not be started or does not obey.
public enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No engine's program is installed.
    case noEngine(searched: [String])
    /// The engine's firmware is not installed.
    case noFirmware(binary: String)
    /// KVM was required, and this host has none that works.
    case kvmRequired(KVMState)
    /// A machine was asked for that can not be.
    case specification(String)
    /// The engine's process could not be started.
    case start(binary: String, JailError)
    /// Something the engine needs could not be prepared.
    case prepare(String, SystemError)
    /// The engine's process could not be frozen.
    case frozen(String)
    /// The engine has ended, or its control channel has.
    case ended
    /// The engine did not answer in time, or said what it must not.
    case control(command: String, reason: String)

    /// What was attempted, why it failed and what to do, in one line.
    public var description: String {
        switch self {
        case .noEngine(let searched):
            "no engine found (looked for \(searched.joined(separator: ", "))); install Debian's package qemu-system-x86"
        case .noFirmware(let binary):
            "no qboot.rom found for \(binary); install Debian's package qemu-system-data"
        case .kvmRequired(let state):
            "KVM is required but \(state); without the requirement the machine is emulated"
        case .specification(let reason): "cannot make a machine with \(reason)"
        case .start(let binary, let error): "cannot start \(binary): \(error)"
        case .prepare(let what, let error): "cannot prepare \(what): \(error)"
        case .frozen(let reason): "cannot freeze the engine: \(reason)"
        case .ended: "the machine has ended"
        case .control(let command, let reason): "the engine did not obey '\(command)': \(reason); kill the machine"
        }
    }
}
