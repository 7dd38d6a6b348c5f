import AgentProtocol
import Glibc

/// Goes once through what a configured machine will do first, before the agent is ready.
///
/// What Swift's runtime finds out at the first use of a type, and the kernel at the first touch of a page, is then in the
/// frozen machine's memory and costs its forks nothing.
enum Rehearsal {
    /// Rehearses; nothing remains of it but memory that is ready.
    static func run() {
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
