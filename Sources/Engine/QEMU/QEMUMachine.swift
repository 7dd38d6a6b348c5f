import Glibc
import LinuxSystem

/// A machine run by QEMU's microvm: the portable engine.
public final class QEMUMachine: Machine {
    /// QEMU, its accelerator, its process and its walls.
    public let description: MachineDescription
    /// The port named `agent` of the virtio-serial device.
    public let agentPort: Descriptor
    /// The virtio console.
    public let console: Descriptor
    /// QEMU's standard error.
    public let messages: Descriptor
    /// The other end of the network device: Ethernet frames, each after its length in 4 bytes, big-endian.
    public let network: Descriptor?

    private let process: QEMUProcess

    private init(
        _ description: MachineDescription, agentPort: Descriptor, console: Descriptor, messages: Descriptor,
        network: Descriptor?, process: QEMUProcess
    ) {
        self.description = description
        self.agentPort = agentPort
        self.console = console
        self.messages = messages
        self.network = network
        self.process = process
    }

    /// Starts a machine, which boots at once. Returns when the engine's program runs behind its walls; that it has
    /// accepted its arguments shows only in what the guest does, or in ``waitForExit()``.
    ///
    /// The machine ends with this process, whatever ends it.
    /// - Throws: ``EngineError``.
    public static func start(
        _ specification: MachineSpecification, on engine: EngineFinder.Engine
    ) async throws(EngineError) -> QEMUMachine {
        try specification.validate()
        let launch: Launch
        do { launch = try Launch(specification, engine) } catch {
            throw error as? EngineError
                ?? .prepare("the engine's channels", error as? SystemError ?? SystemError("prepare"))
        }
        let (process, walls) = try await QEMUProcess.start(
            launch.jail, control: launch.control, messages: launch.messages, first: launch.firstCommands)
        let description = MachineDescription(
            engine: "portable", accelerator: engine.accelerator, binary: engine.binary, pid: process.pid, walls: walls)
        let machine = QEMUMachine(
            description, agentPort: launch.agentPort, console: launch.console, messages: process.messages,
            network: launch.network, process: process)
        // A fork finds the carrier as it was when the machine was frozen.
        if specification.network, !specification.isFork {
            do { try await machine.setCarrier(false) } catch {
                machine.kill()
                let last = await machine.waitForExit().lastMessages
                throw .control(command: "set_link", reason: last.isEmpty ? "\(error)" : last)
            }
        }
        return machine
    }

    /// Plugs the network device's cable in or out, as the guest sees it. It is out in a machine that has just started.
    /// - Throws: ``EngineError``.
    public func setCarrier(_ present: Bool) async throws(EngineError) {
        try await process.execute("set_link", #"{"name":"network-device","up":\#(present)}"#)
    }

    /// Stops the processors by QMP's `stop`.
    public func pause() async throws(EngineError) { try await process.execute("stop") }

    /// Lets the processors run by QMP's `cont`.
    public func resume() async throws(EngineError) { try await process.execute("cont") }

    /// Stops the processors and has QEMU write its devices' state by QMP's `migrate`.
    public func freeze(to state: Descriptor) async throws(EngineError) {
        try await process.execute("stop")
        try await process.execute("getfd", #"{"fdname":"state"}"#, passing: state)
        try await process.execute("migrate", #"{"uri":"fd:state"}"#, until: "MIGRATION")
    }

    /// Ends QEMU in good order by QMP's `quit`.
    public func stop() async throws(EngineError) { try await process.execute("quit") }

    /// Ends QEMU by SIGKILL.
    public func kill() { process.kill() }

    /// Waits for the end of QEMU's process.
    public func waitForExit() async -> MachineExit { await process.waitForExit() }

    /// The host's ends of all channels, and the jail that holds the engine's.
    private struct Launch {
        let jail: EngineJail
        let agentPort: Descriptor
        let console: Descriptor
        let control: Descriptor
        let messages: Descriptor
        let network: Descriptor?
        let firstCommands: [QEMUCommandLine.Command]

        init(_ specification: MachineSpecification, _ engine: EngineFinder.Engine) throws {
            let pipe = try Descriptor.pipe()
            let control = try Descriptor.socketPair()
            let console = try Descriptor.socketPair()
            let agent = try Descriptor.socketPair()
            let network = specification.network ? try Descriptor.socketPair() : nil
            let channels = QEMUCommandLine.Channels(
                input: try Descriptor(opening: "/dev/null"), messages: pipe.write, control: control.1,
                console: console.1, agent: agent.1, network: network?.1)
            let firmware = try Descriptor(opening: engine.firmware)
            let program = ELFProgram(try Descriptor(opening: engine.binary))
            var specification = specification
            if case .boot(let kernel, let initramfs, let memory) = specification.origin {
                specification.origin = .boot(
                    kernel: try Self.readableByAll(kernel), initramfs: try Self.readableByAll(initramfs),
                    memory: memory)
            }
            let line = try QEMUCommandLine(
                specification, engine: engine, firmware: firmware, channels: channels,
                sandbox: program.libraries.contains { $0.hasPrefix("libseccomp.so") })
            let overhead: Int64 = 512 << 20
            jail = EngineJail(
                binary: engine.binary, arguments: line.arguments, descriptors: line.descriptors,
                reopened: line.reopened, accelerator: engine.accelerator, fileLimit: specification.diskLimit,
                memoryLimit: specification.memory + overhead + QEMUCommandLine.translationCache,
                userNumber: specification.userNumber, answerToOpens: line.answerToOpens)
            firstCommands = line.firstCommands
            agentPort = agent.0
            self.network = network?.0
            self.console = console.0
            self.control = control.0
            messages = pipe.read
        }

        /// QEMU opens the kernel anew as another user when root starts it; a file that others may not read is copied.
        private static func readableByAll(_ file: Descriptor) throws -> Descriptor {
            guard geteuid() == 0, try file.status().st_mode & 0o004 == 0 else { return file }
            let copy = try Descriptor.memory("boot")
            var chunk = [UInt8](repeating: 0, count: 1 << 20)
            var offset: Int64 = 0
            while true {
                let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                if count == 0 { return copy }
                try chunk[..<count].withUnsafeBytes { try copy.write($0, at: offset) }
                offset += Int64(count)
            }
        }
    }
}
