import Glibc
import LinuxSystem

/// Finds the program to run machines with: on KVM where it really works, else emulated.
public struct EngineFinder: Sendable {
    /// An engine that can run on this host.
    public struct Engine: Sendable, Equatable {
        /// The program's path.
        public var binary: String
        /// The path of the firmware that starts the kernel.
        public var firmware: String
        /// What will execute the guest.
        public var accelerator: Accelerator
        /// What was found out about KVM.
        public var kvm: KVMState

        /// The processor that a guest sees, as QEMU names it.
        public var processor: String {
            // A guest that is told of fast string moves copies with them, and they are the slowest moves to emulate. One
            // that is told of SMAP opens and closes its own door at every access to a program's memory, which costs an
            // emulated processor more than the access; the wall round the guest does not stand there. And an emulated
            // processor's random numbers come from the emulator's own generator, which thawed engines have in common.
            accelerator == .kvm ? "host" : "max,-erms,-fsrm,-smap,-rdrand,-rdseed"
        }

        /// One line for the user that says what runs and why; `nil` on KVM, where there is nothing to say.
        public var notice: String? {
            accelerator == .kvm ? nil : "emulating the processor, because \(kvm); code runs 10 to 20 times slower"
        }
    }

    private let probe: KVMProbe
    private let directories: [String]

    /// A finder.
    /// - Parameters:
    ///   - cacheDirectory: an existing directory where the answer about KVM is kept until the host boots anew.
    ///   - directories: where programs are looked for, in order.
    public init(cacheDirectory: String, directories: [String] = ["/usr/local/bin", "/usr/bin"]) {
        probe = KVMProbe(cacheDirectory: cacheDirectory)
        self.directories = directories
    }

    /// The best engine on this host. Blocks the calling thread, for up to 120 ms the first time after a boot.
    /// - Throws: ``EngineError/noEngine(searched:)``, ``EngineError/noFirmware(binary:)``,
    ///   ``EngineError/kvmRequired(_:)``.
    public func find(requireKVM: Bool = false) throws(EngineError) -> Engine {
        let kvm = probe.state()
        guard kvm == .works || !requireKVM else { throw .kvmRequired(kvm) }
        let accelerator: Accelerator = kvm == .works ? .kvm : .emulated
        // The first is built for KVM alone and starts in a quarter of the time.
        let names = accelerator == .kvm ? ["qemu-system-x86_64-microvm", "qemu-system-x86_64"] : ["qemu-system-x86_64"]
        for name in names {
            for directory in directories where access("\(directory)/\(name)", X_OK) == 0 {
                let binary = "\(directory)/\(name)"
                guard let firmware = firmware(of: binary) else { throw .noFirmware(binary: binary) }
                return Engine(binary: binary, firmware: firmware, accelerator: accelerator, kvm: kvm)
            }
        }
        throw .noEngine(searched: names.flatMap { name in directories.map { "\($0)/\(name)" } })
    }

    private func firmware(of binary: String) -> String? {
        let prefix = binary.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        let directories = ["\(prefix)/share/qemu", "/usr/share/qemu", "/usr/share/qemu-system-data"]
        return directories.map { $0 + "/qboot.rom" }.first { access($0, R_OK) == 0 }
    }
}
