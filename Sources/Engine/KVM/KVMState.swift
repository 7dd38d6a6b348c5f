/// Whether KVM really works on this host.
public enum KVMState: Sendable, Equatable, CustomStringConvertible {
    /// It ran a guest at the speed of the processor.
    case works
    /// There is no `/dev/kvm`.
    case missing
    /// `/dev/kvm` may not be opened.
    case forbidden
    /// It runs guests, but far slower than the processor runs programs.
    case slow
    /// It fails; the text tells at which step.
    case broken(String)

    /// Half a sentence that fits after "but" or "because".
    public var description: String {
        switch self {
        case .works: "KVM works"
        case .missing: "this host has no /dev/kvm"
        case .forbidden: "/dev/kvm may not be opened by this user"
        case .slow: "/dev/kvm is there but runs guest code hundreds of times too slowly"
        case .broken(let reason): "/dev/kvm is there but does not work (\(reason))"
        }
    }

    /// What the user can do about it, in one line; `nil` when it works.
    public var cure: String? {
        switch self {
        case .works: nil
        case .missing:
            "switch on virtualization in the firmware, or nested virtualization for a virtual host, and load the "
                + "module kvm_intel or kvm_amd"
        case .forbidden: "add the user to the group kvm ('sudo usermod -aG kvm USER') and log in again"
        case .slow: "none on this host: its hypervisor interprets guests; use a host or instance type with real KVM"
        case .broken: "end other hypervisors that use the processor, and see the kernel's log ('dmesg | grep kvm')"
        }
    }
}
