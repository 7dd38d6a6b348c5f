import Glibc

/// The cgroups of the sandbox's processes: one parent that carries the limits of all, one leaf per started process.
///
/// A leaf outlives its process while background children do, so that leftovers can be found; it is removed when the
/// last of them is gone.
final class ControlGroups {
    private let parent: Descriptor
    private var made: UInt64 = 0
    private var leftovers: [String] = []

    /// Uses an existing cgroup v2 directory.
    init(parent: Descriptor) { self.parent = parent }

    /// The cgroup of one started process and its children.
    final class Leaf {
        let directory: Descriptor
        fileprivate let name: String

        fileprivate init(_ directory: Descriptor, name: String) {
            self.directory = directory
            self.name = name
        }

        /// Kills every process in it, whatever session or group it moved to.
        func kill() {
            let control = openat(directory.number, "cgroup.kill", O_WRONLY | O_CLOEXEC)
            guard control >= 0 else { return }
            _ = write(control, "1", 1)
            close(control)
        }
    }

    /// Makes a leaf for a new process.
    func makeLeaf() throws(AgentError) -> Leaf {
        made += 1
        let name = "\(made)"
        try AgentError.check("make a control group") { mkdirat(parent.number, name, 0o755) }
        let directory = try AgentError.check("open a control group") {
            openat(parent.number, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        return Leaf(Descriptor(directory), name: name)
    }

    /// Removes a leaf, now or when its last process is gone.
    func discard(_ leaf: Leaf) { discard(leaf.name) }

    /// Removes leaves that have become empty; looks at a few, so that many leftovers cost little each time.
    func sweep() {
        for _ in 0..<min(leftovers.count, 16) { discard(leftovers.removeFirst()) }
    }

    private func discard(_ name: String) {
        if unlinkat(parent.number, name, AT_REMOVEDIR) < 0 && errno == EBUSY { leftovers.append(name) }
    }
}
