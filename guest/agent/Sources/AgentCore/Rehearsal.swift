import AgentProtocol
import CAgent
import Glibc

/// Goes once through what a configured machine will do first, before the agent is ready.
///
/// What Swift's runtime finds out at the first use of a type, the kernel at the first touch of a page and an emulator at
/// the first run of code is then in the frozen machine and costs its forks nothing.
enum Rehearsal {
    private static let program = "/rehearsal"

    /// Plays the whole piece in a child of this process: the host configures it, uses it and has it shut down, like any
    /// sandbox. Nothing remains of it.
    static func play(_ port: Descriptor, _ machine: PreparedMachine) throws(AgentError) {
        let child = try AgentError.check("start a rehearsal") { agent_fork() }
        guard child > 0 else {
            do throws(AgentError) {
                try Agent(port, try machine.rehearsing()).serve()
                _exit(0)
            } catch {
                logLine("\(error)")
                _exit(1)
            }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw .refused("the rehearsal failed") }
    }

    /// Puts the program to rehearse with into the sandbox.
    static func install(on fileSystem: RootFileSystem) throws(AgentError) {
        let source = try Descriptor.open("/proc/self/fd/\(fileSystem.first.number)\(program)", O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(source.number, &bytes, bytes.count)
        guard count > 0 else { throw .system("read the rehearsal's program", errno) }
        let copy = Descriptor(
            try AgentError.check("make \(program)") { open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755) })
        try copy.writeAll(Array(bytes.prefix(count)), to: program)
    }

    /// Uses the types that the machine's first messages are made of; nothing remains of it but memory that is ready.
    static func prepareTypes() {
        mlockall(MCL_CURRENT)
        munlockall()
        let configuration = MachineConfiguration(
            entropy: [UInt8](repeating: 0, count: 32), wallClock: 0, hostName: "a", machineID: "b",
            mac: [2, 0, 0, 0, 0, 0], addresses: ["192.0.2.1/32"],
            mounts: [.init(type: "tmpfs", source: "tmpfs", target: "/", options: "ro,size=1m")], environment: ["A=b"])
        let specification = ProcessSpecification(
            arguments: ["a"], environment: ["A=b"], workingDirectory: "/", user: "0:0",
            resourceLimits: [.init(resource: 7, soft: 1, hard: 1)])
        var decoder = FrameDecoder()
        for message in [HostMessage.configure(configuration), .start(stream: 1, specification), .setClock(1)] {
            guard let frame = try? message.frame() else { continue }
            decoder.append(frame.encoded)
            guard let frame = try? decoder.next() else { continue }
            _ = try? HostMessage(frame)
        }
        let confirmation = Confirmation(
            hostName: "a", machineID: "b", bootID: "c", mac: configuration.mac, wallClock: 1, addresses: ["d"])
        for message in [
            GuestMessage.configured(confirmation), .started(stream: 1, pid: 1),
            .exited(stream: 1, ExitStatus(.code(0))),
        ] { _ = try? message.frame() }
        _ = FileSystemMount(type: "tmpfs", source: "tmpfs", target: "/", options: "ro,size=1m", readOnly: true)
        _ = ProcessEnvironment(configuration.environment, specification.environment)
        _ = KernelFile.text("/proc/sys/kernel/hostname")
        _ = AgentError.text(of: ENOENT)
    }
}
