import AgentProtocol
import CAgent
import Glibc

/// The file systems that the host serves, by their streams, from the mount to the unmount.
///
/// The agent carries their messages but never looks at a path below one of them: it would wait for an answer that only it
/// can deliver. What has to, mounting below another mount and unmounting, is done by children.
final class MountTable {
    private let loop: EventLoop
    private let port: HostPort
    private let outputs: OutputScheduler
    private var starting: [UInt32: MountStart] = [:]
    private var mounts: [UInt32: HostMount] = [:]
    /// In the order in which they were mounted.
    private var order: [HostMount] = []

    init(loop: EventLoop, port: HostPort, outputs: OutputScheduler) {
        self.loop = loop
        self.port = port
        self.outputs = outputs
    }

    /// Whether a stream is one of these.
    func uses(_ stream: UInt32) -> Bool { starting[stream] != nil || mounts[stream] != nil }

    /// Whether there are file systems that can still be used.
    var hasOpen: Bool { !order.isEmpty }

    // MARK: Requests of the host

    /// Mounts; says `started` when it is in place, or `failed`.
    func start(_ specification: ProcessSpecification, as stream: UInt32) throws(StartFailure) {
        guard let mount = GuestMount(arguments: specification.arguments) else {
            throw StartFailure(.badRequest, "what is to be mounted cannot be understood")
        }
        do throws(AgentError) {
            let device =
                mount.kind == .memory ? nil : try Descriptor.open("/dev/fuse", O_RDWR | O_NONBLOCK)
            // Mostly the path leads through no other mount, and a child costs more than the mount.
            if let number = try? MountStart.place(mount, device, staysOnMount: true) {
                return serve(mount, device, number, stream)
            }
            let start = try MountStart(mount, device)
            starting[stream] = start
            try loop.watch(start.report, for: .input) { [self] _ in heard(stream) }
        } catch {
            starting[stream] = nil
            throw StartFailure(.noResources, "\(error)")
        }
    }

    /// Takes bytes of answers.
    func receive(_ bytes: [UInt8], for stream: UInt32) {
        guard let mount = mounts[stream] else { return }
        let credit = mount.receive(bytes)
        if credit > 0 { port.send(.credit(stream: stream, credit)) }
        if mount.isBroken { cutOff(stream) }
    }

    /// Lets a file system send more requests.
    func grant(_ count: UInt32, of stream: UInt32) {
        guard let mount = mounts[stream] else { return }
        mount.grant(count)
        outputs.consider(mount)
    }

    /// Ends a file system whose host side is gone: whoever uses it gets `ENOTCONN`.
    func cutOff(_ stream: UInt32) {
        guard let mount = mounts[stream] else { return }
        end(mount)
    }

    /// Ends all of them.
    func cutOffAll() { for mount in order { end(mount) } }

    // MARK: Mounting

    private func heard(_ stream: UInt32) {
        guard let start = starting[stream], let outcome = start.outcome() else { return }
        loop.forget(start.report)
        starting[stream] = nil
        switch outcome {
        case .placed(let number): serve(start.mount, start.device, number, stream)
        case .failed(let reason): port.send(.failed(stream: stream, StartFailure(.badRequest, reason)))
        }
    }

    private func serve(_ placed: GuestMount, _ device: Descriptor?, _ number: String, _ stream: UInt32) {
        port.send(.started(stream: stream, pid: UInt32(clamping: getpid())))
        guard let device else { return port.send(.exited(stream: stream, ExitStatus(.code(0)))) }
        let mount = HostMount(stream: stream, target: placed.target, number: number, device)
        mounts[stream] = mount
        order.append(mount)
        do throws(AgentError) {
            try loop.watch(device, for: .input) { [self, unowned mount] readiness in
                mount.becameReadable()
                outputs.consider(mount)
                // The kernel says so of a file system that is unmounted, at which no request will come.
                if readiness.contains(.error) { end(mount) }
            }
        } catch {
            logLine("\(error)")
            end(mount)
        }
    }

    /// Unmounts all, the last first, when no process is left. Their ends had to wait until the host had what they wrote, to
    /// mapped memory too: the kernel keeps nothing back.
    /// - Returns: whether a child does that, whose end is the end of it.
    func unmountAll() -> Bool {
        let targets = order.reversed().map(\.target)
        let child = agent_fork()
        guard child == 0 else { return child > 0 }
        for target in targets where umount2(target, 0) < 0 { umount2(target, Int32(MNT_DETACH)) }
        _exit(0)
    }

    private func end(_ mount: HostMount) {
        guard mounts.removeValue(forKey: mount.stream) != nil else { return }
        order.removeAll { $0 === mount }
        if let device = mount.device { loop.forget(device) }
        mount.close()
        port.send(.end(stream: mount.stream, .output))
        port.send(.exited(stream: mount.stream, ExitStatus(.code(0))))
    }

    /// Notes that a file system has said that it has ended.
    func ended(_ mount: HostMount) { end(mount) }
}
