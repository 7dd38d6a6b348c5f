import AgentProtocol
import SandboxState

/// In what order a sandbox's mounts are made, so that none hides another that lies below it.
struct MountPlan {
    /// Those that the agent makes while it configures the machine.
    let configured: [MachineConfiguration.Mount]
    /// Those that are made afterwards: what the host serves, and what lies below such a mount. Each stage needs the ones
    /// before it in place; numbers are places in the list of the sandbox's mounts.
    let stages: [[Int]]

    /// Plans mounts whose targets differ.
    init(_ mounts: [SandboxMount]) {
        let isStaged = mounts.map { mount in
            mount.isServed || mounts.contains { $0.isServed && $0.covers(mount.target) }
        }
        let depths = mounts.map { mount in
            zip(mounts, isStaged).count { other, isStaged in
                isStaged && other.target != mount.target && other.covers(mount.target)
            }
        }
        let order = mounts.indices.sorted {
            (mounts[$0].target.utf8.count, $0) < (mounts[$1].target.utf8.count, $1)
        }
        configured = order.filter { !isStaged[$0] }.map {
            .init(
                type: "tmpfs", source: "tmpfs", target: mounts[$0].target, options: Self.options(mounts[$0]),
                readOnly: mounts[$0].readOnly)
        }
        let last = zip(depths, isStaged).filter(\.1).map(\.0).max() ?? -1
        stages = (0..<last + 1).map { depth in order.filter { isStaged[$0] && depths[$0] == depth } }
    }

    /// Options as the agent mounts with them. What comes from outside brings no rights and no devices.
    static func options(_ mount: SandboxMount) -> String {
        var options = ["nosuid", "nodev"]
        if mount.type == .memory {
            options.append("mode=\(String(mount.mode ?? 0o1777, radix: 8))")
            if let size = mount.size { options.append("size=\(size)") }
        }
        return options.joined(separator: ",")
    }
}
