import AgentProtocol
import CAgent
import Glibc

/// What makes this machine another than those that go on from the same frozen one.
struct Identity {
    private let configuration: MachineConfiguration
    private let bootID: String

    /// Gives the machine its identity: entropy first, so that whatever is random from here on is random indeed.
    init(_ configuration: MachineConfiguration, _ machine: PreparedMachine) throws(AgentError) {
        self.configuration = configuration
        bootID = machine.bootID
        try renewEntropyAndClock(machine)
        try setNames()
    }

    /// Lets a frozen machine go on, as another one if it is to be.
    init(_ thawing: Thawing, _ machine: PreparedMachine, in root: RootDirectory) throws(AgentError) {
        configuration = thawing.configuration
        bootID = machine.bootID
        try renewEntropyAndClock(machine)
        guard thawing.isNew else { return }
        try BootID.renew(machine.first)
        try setNames()
        try SystemFiles(hostName: configuration.hostName, machineID: configuration.machineID).renew(in: root)
    }

    private func renewEntropyAndClock(_ machine: PreparedMachine) throws(AgentError) {
        try AgentError.check("add entropy") {
            configuration.entropy.withUnsafeBytes {
                agent_add_entropy(machine.random.number, $0.baseAddress, $0.count)
            }
        }
        try Identity.dropOldRandomness()
        try Identity.setClock(configuration.wallClock)
    }

    private func setNames() throws(AgentError) {
        let name = configuration.hostName.utf8
        guard (1...63).contains(name.count), name.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }) else {
            throw .refused("the host name '\(configuration.hostName)' is not 1 to 63 letters, digits and hyphens")
        }
        try AgentError.check("set the host name") { sethostname(configuration.hostName, name.count) }

        let id = configuration.machineID
        guard id.utf8.count == 32,
            id.utf8.allSatisfy({ isLetterOrDigit($0) && $0 | 0x20 == $0 && $0 <= UInt8(ascii: "f") })
        else { throw .refused("the machine id '\(id)' is not 32 lower-case hexadecimal digits") }

        try AgentError.check("set the hardware address") {
            configuration.mac.withUnsafeBufferPointer {
                agent_set_hardware_address(GuestNetwork.interface, $0.baseAddress)
            }
        }
        try PreparedMachine.addGateways()
        // Another machine's in private networks.
        try otherAddresses(areRemoved: true)
        for address in configuration.addresses where agent_has_address(GuestNetwork.interface, address) != 1 {
            try AgentError.check("add the address \(address)") { agent_add_address(GuestNetwork.interface, address) }
        }
    }

    /// Counts the addresses of the network device that are none of the configuration's, and removes them if they are to be.
    @discardableResult
    private func otherAddresses(areRemoved: Bool) throws(AgentError) -> Int {
        var texts: [UnsafePointer<CChar>?] = (GuestNetwork.addresses + configuration.addresses).map {
            UnsafePointer(strdup($0))
        }
        defer { for text in texts { free(UnsafeMutablePointer(mutating: text)) } }
        let count = try AgentError.check("look for old addresses") {
            agent_other_addresses(GuestNetwork.interface, &texts, texts.count, areRemoved ? 1 : 0)
        }
        return Int(count)
    }

    /// Reads what the random number device's driver had fetched before the machine was frozen, which all forks have.
    private static func dropOldRandomness() throws(AgentError) {
        let device = try Descriptor.open("/dev/hwrng", O_RDONLY)
        // The driver keeps at most a cache line, the kernel's core as much.
        var rest = 128
        var bytes = [UInt8](repeating: 0, count: rest)
        while rest > 0 {
            let count = try AgentError.check("read the random number device") { read(device.number, &bytes, rest) }
            guard count > 0 else { throw .refused("the random number device gives nothing") }
            rest -= count
        }
    }

    /// Ends connections to the outside, where nobody knows of them any more: programs would wait for ever.
    static func resetConnections() throws(AgentError) {
        try AgentError.check("reset connections to the outside") { agent_reset_connections(GuestNetwork.interface) }
    }

    /// Sets the wall clock, to nanoseconds since 1970.
    static func setClock(_ nanoseconds: UInt64) throws(AgentError) {
        var time = timespec()
        time.tv_sec = Int(clamping: nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        try AgentError.check("set the clock") { clock_settime(CLOCK_REALTIME, &time) }
    }

    /// What the machine is, as its kernel and its files tell.
    func confirmation(_ root: RootDirectory) throws(AgentError) -> Confirmation {
        var name = [CChar](repeating: 0, count: 65)
        try AgentError.check("read the host name") { gethostname(&name, name.count) }
        let id = try root.contents(of: "/etc/machine-id", upTo: 64) ?? []
        var mac = [UInt8](repeating: 0, count: 6)
        try AgentError.check("read the hardware address") {
            mac.withUnsafeMutableBufferPointer { agent_hardware_address(GuestNetwork.interface, $0.baseAddress) }
        }
        var addresses = configuration.addresses.filter { agent_has_address(GuestNetwork.interface, $0) == 1 }
        let others = try otherAddresses(areRemoved: false)
        if others > 0 { addresses.append("\(others) others") }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Confirmation(
            hostName: String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self),
            machineID: String(decoding: id.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self),
            bootID: KernelFile.text(bootID) ?? "", mac: mac,
            wallClock: UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec),
            addresses: addresses)
    }
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: false
    }
}
