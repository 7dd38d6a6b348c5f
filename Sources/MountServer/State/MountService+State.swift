/// A service's part of the state that goes from one server to the next.
extension MountService {
    /// So long after an answer, in seconds beyond what the guest was allowed, it is still taken to believe it: the answer
    /// may have been on its way.
    private static let grace: UInt32 = 10

    /// What this service knows.
    func savedState() -> SavedState {
        let root = tree.nodes.root
        var state = SavedState(root: root.identity, kind: root.kind)
        state.negotiated = negotiated
        state.nextNode = tree.nodes.nextID
        state.nextHandle = handles.nextID
        let now = Self.seconds
        let (limit, _) = options.cacheSeconds.addingReportingOverflow(Self.grace)
        state.nodes.reserveCapacity(tree.nodes.nodes.count)
        for node in tree.nodes.nodes.values where node !== root {
            let links = ((node.link.map { [$0] } ?? []) + node.otherLinks).map { link in
                SavedState.Link(parent: link.parent.id, name: link.name.dropLast().map(UInt8.init(bitPattern:)))
            }
            state.nodes.append(
                SavedState.SavedNode(
                    id: node.id, kind: node.kind, mayBeCached: node.lookups > 0 && now &- node.lastTold <= limit,
                    identity: node.identity, lookups: node.lookups, links: links))
        }
        state.handles = handles.handles.values.map { handle in
            SavedState.SavedHandle(id: handle.id, node: handle.node.id, access: handle.access)
        }
        return state
    }

    /// Goes on from what an earlier service knew, and tells the guest which of its knowledge may be old.
    ///
    /// Only of attributes: a name that leads to another file by now shows when its old file is used, which fails with
    /// `ESTALE`, whereupon the guest's kernel asks for the name again. To be told of a name it would have to wait for
    /// whatever it has under way in that directory, the answers to which come behind.
    func restore(_ state: SavedState) throws(SavedState.Invalid) {
        let root = tree.nodes.root
        guard state.rootKind == root.kind else {
            throw SavedState.Invalid(description: "it is that of a directory where a file is served, or the reverse")
        }
        negotiated = state.negotiated
        try restoreNodes(state.nodes)
        tree.nodes.continueNumbers(from: state.nextNode)
        guard state.handles.count <= handles.most else {
            throw SavedState.Invalid(description: "it has more open files than can be opened here")
        }
        for handle in state.handles {
            guard let node = try? tree.nodes.node(handle.node), handle.id > 0, handle.id < state.nextHandle,
                handles.handles[handle.id] == nil
            else { throw SavedState.Invalid(description: "it has an open file that cannot be") }
            handles.restore(handle.id, node: node, access: handle.access)
        }
        handles.continueNumbers(from: state.nextHandle)
        out.restore(state.unsentOutput)
        if negotiated != nil {
            out.invalidate(root.id)
            for node in state.nodes where node.mayBeCached { out.invalidate(node.id) }
        }
    }

    /// Makes the nodes, each after the directory that it is in.
    private func restoreNodes(_ saved: [SavedState.SavedNode]) throws(SavedState.Invalid) {
        var byID: [UInt64: Int] = [:]
        byID.reserveCapacity(saved.count)
        for (index, node) in saved.enumerated() {
            guard node.id > KernelProtocol.root, node.id < .max / 2, byID.updateValue(index, forKey: node.id) == nil
            else {
                throw SavedState.Invalid(description: "it has a node twice")
            }
        }
        var isBegun = [Bool](repeating: false, count: saved.count)
        for index in saved.indices where !isBegun[index] {
            // From the node up to a directory that is made, and down again.
            var chain: [Int] = []
            var current = index
            while true {
                guard !isBegun[current] else {
                    throw SavedState.Invalid(description: "its directories run in a circle")
                }
                isBegun[current] = true
                chain.append(current)
                guard let parent = saved[current].links.first?.parent, tree.nodes.nodes[parent] == nil else { break }
                guard let next = byID[parent] else { throw SavedState.Invalid(description: "it lacks a directory") }
                current = next
            }
            for index in chain.reversed() { try restoreNode(saved[index]) }
        }
        for node in saved {
            guard let restored = tree.nodes.nodes[node.id] else { continue }
            for link in node.links.dropFirst() {
                guard let parent = tree.nodes.nodes[link.parent], parent.isDirectory else { continue }
                restored.addOther(Node.Link(parent, name: Self.text(link.name)))
            }
        }
    }

    private func restoreNode(_ saved: SavedState.SavedNode) throws(SavedState.Invalid) {
        guard let link = saved.links.first, let parent = tree.nodes.nodes[link.parent], parent.isDirectory else {
            throw SavedState.Invalid(description: "it has a file in what is no directory")
        }
        let node = Node(
            id: saved.id, identity: saved.identity, kind: saved.kind,
            link: Node.Link(parent, name: Self.text(link.name)))
        node.lookups = saved.lookups
        tree.nodes.restore(node)
    }

    private static func text(_ name: [UInt8]) -> ContiguousArray<CChar> {
        ContiguousArray(name.map { CChar(bitPattern: $0) } + [0])
    }
}
