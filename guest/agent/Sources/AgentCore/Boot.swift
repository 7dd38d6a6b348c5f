import CAgent
import Glibc

/// What the first process must do before it can talk to anybody.
enum Boot {
    /// Mounts the kernel's file systems on the first root; /proc is there already, the Swift runtime needed it.
    static func mountKernelFileSystems() throws(AgentError) {
        let careful = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        for mount in [
            FileSystemMount("sysfs", at: "/sys", flags: careful),
            FileSystemMount("devtmpfs", at: "/dev", flags: UInt(MS_NOSUID | MS_NOEXEC)),
        ] {
            mkdir(mount.target, 0o755)
            try mount.mount()
        }
    }

    /// Finds the virtio port with the given name and opens it.
    ///
    /// The kernel learns of ports from the device some time after the agent starts, so this waits for the kernel's
    /// device events, at most ten seconds.
    static func openPort(named name: String) throws(AgentError) -> Descriptor {
        let events = Descriptor(try AgentError.check("listen for device events") { agent_open_device_events() })
        let deadline = EventLoop.now() + 10_000_000_000
        while true {
            if let device = findPort(named: name) {
                return try Descriptor.open(device, O_RDWR | O_NONBLOCK | O_NOCTTY)
            }
            let now = EventLoop.now()
            guard now < deadline else { throw .refused("the machine has no virtio port named '\(name)'") }
            var waiting = pollfd(fd: events.number, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1))
            // What the events say does not matter: the look above sees it all.
            var event = [UInt8](repeating: 0, count: 4096)
            while recv(events.number, &event, event.count, 0) > 0 {}
        }
    }

    private static func findPort(named name: String) -> String? {
        let folder = "/sys/class/virtio-ports"
        // The folder comes with the first port.
        guard let ports = try? DirectoryListing.names(in: folder) else { return nil }
        return ports.first { KernelFile.text("\(folder)/\($0)/name") == name }.map { "/dev/\($0)" }
    }
}
