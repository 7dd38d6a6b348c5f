import LinuxSystem
import SandboxState

extension GatewayLoop {
    /// Listens at a port of the host.
    /// - Throws: ``GatewayError``.
    @discardableResult
    func publish(_ port: PublishedPort) throws -> PublishedPort {
        guard ports[port] == nil else { throw GatewayError.published(port) }
        let kept = sleepingPorts?.take(port)
        do throws(SystemError) {
            let listener: any PortListener =
                switch port.transport {
                case .tcp: try StreamListener(port, kept?.socket, in: self)
                case .udp: try DatagramListener(port, kept?.socket, in: self)
                }
            ports[listener.port] = listener
            listener.suspend(isHeld || !admitsCallers, in: self)
            return listener.port
        } catch {
            throw GatewayError.port(port, error)
        }
    }

    /// Listens at a port no more.
    /// - Throws: ``GatewayError``.
    func withdraw(_ port: PublishedPort) throws {
        guard let listener = ports.removeValue(forKey: port) else { throw GatewayError.notPublished(port) }
        listener.close(in: self)
    }

    /// Lets callers in from here on.
    func admitCallers() {
        admitsCallers = true
        suspendPorts()
    }

    /// Leaves callers waiting as long as they are not to come in.
    func suspendPorts() {
        for listener in ports.values { listener.suspend(isHeld || !admitsCallers, in: self) }
    }

    /// Tells whether ports are used, when that has changed.
    func noteUse() {
        let isUsed = callers > 0 || ports.values.contains { $0.isUsed }
        guard isUsed != self.isUsed else { return }
        self.isUsed = isUsed
        tellUse(isUsed)
    }
}
