import CLinux
import Glibc

/// The nodes that the guest's kernel knows, by number and by identity.
struct NodeTable {
    /// Most nodes; the guest's kernel forgets what it has no memory for, so only a hostile one comes here.
    static let mostNodes = 2 << 20

    let root: Node
    private(set) var nodes: [UInt64: Node]
    private var byIdentity: [FileIdentity: Node]
    private(set) var nextID: UInt64
    /// Directories that are held open.
    var directories: DirectoryCache

    /// A table that knows what is mounted and nothing else.
    init(root status: linux_file_status, descriptor: Int32, mostDirectories: Int) {
        root = Node(
            id: KernelProtocol.root, identity: FileIdentity(status), kind: status.mode & FileKind.mask, link: nil)
        root.descriptor = descriptor
        root.lookups = 1
        nodes = [root.id: root]
        byIdentity = [root.identity: root]
        nextID = KernelProtocol.root + 1
        directories = DirectoryCache(most: mostDirectories)
    }

    /// The node with a number.
    /// - Throws: `ESTALE` when there is none.
    func node(_ id: UInt64) throws(ErrorNumber) -> Node {
        if id == KernelProtocol.root { return root }
        guard let node = nodes[id] else { throw ErrorNumber(ESTALE) }
        return node
    }

    /// The node of a file that was found under a name.
    func known(_ identity: FileIdentity) -> Node? { byIdentity[identity] }

    /// The node of a file that was found under a name; a new one when it has none. It is not counted as looked up.
    /// - Throws: `ENOMEM` when there are too many.
    mutating func node(
        of status: linux_file_status, _ name: RequestName, in parent: Node
    ) throws(ErrorNumber) -> Node {
        let identity = FileIdentity(status)
        let kind = status.mode & FileKind.mask
        if let node = byIdentity[identity], node.kind == kind {
            if node !== root, node.link?.isSame(as: name, in: parent) == false { see(node, name, in: parent, status) }
            return node
        }
        guard nodes.count < Self.mostNodes else { throw ErrorNumber(ENOMEM) }
        let node = Node(id: nextID, identity: identity, kind: kind, link: Node.Link(parent, name))
        nextID += 1
        nodes[node.id] = node
        byIdentity[identity] = node
        return node
    }

    /// Notes that a file has a name now: it was found there, linked or renamed.
    mutating func see(_ node: Node, _ name: RequestName, in parent: Node, _ status: linux_file_status) {
        guard !node.isDirectory || !isBelow(parent, node) else { return }
        if let index = node.otherLinks.firstIndex(where: { $0.isSame(as: name, in: parent) }) {
            node.prefer(index)
            return
        }
        let keepsOthers = status.links > 1 && !node.isDirectory
        for parent in node.see(Node.Link(parent, name), keepsOthers: keepsOthers) { removeUnused(parent) }
    }

    /// The guest's kernel has a node less often.
    mutating func forget(_ id: UInt64, _ count: UInt64) {
        guard id != KernelProtocol.root, let node = nodes[id] else { return }
        node.lookups -= min(node.lookups, count)
        removeUnused(node)
    }

    /// Removes a node that nothing needs any more, and then directories that only it needed.
    mutating func removeUnused(_ node: Node) {
        var unused = [node]
        while let node = unused.popLast() {
            guard node !== root, node.lookups == 0, node.children == 0, node.handles.isEmpty,
                nodes.removeValue(forKey: node.id) != nil
            else { continue }
            if byIdentity[node.identity] === node { byIdentity[node.identity] = nil }
            directories.remove(node)
            unused += node.dropLinks()
        }
    }

    /// Takes up a node of an earlier server.
    mutating func restore(_ node: Node) {
        nodes[node.id] = node
        byIdentity[node.identity] = node
        nextID = max(nextID, node.id + 1)
    }

    /// Keeps numbers that an earlier server gave from being given again.
    mutating func continueNumbers(from next: UInt64) { nextID = max(nextID, next) }

    /// Whether a directory is another or lies below it, as far as the nodes know: names must not run in a circle, though
    /// the host may move directories meanwhile.
    private func isBelow(_ node: Node, _ other: Node) -> Bool {
        var current: Node? = node
        while let here = current {
            if here === other { return true }
            current = here.link?.parent
        }
        return false
    }
}

/// Directories that are held open, opened with O_PATH; those that were not used lately make room for others.
struct DirectoryCache {
    private var places: [Node?]
    private var hand = 0

    init(most: Int) { places = Array(repeating: nil, count: max(most, 1)) }

    /// Keeps a directory open.
    mutating func insert(_ node: Node, _ descriptor: Int32) {
        // As a clock's hand goes round, what was used since it last passed stays.
        while let held = places[hand], held.isRecentlyUsed {
            held.isRecentlyUsed = false
            advance()
        }
        if let old = places[hand] { close(old) }
        places[hand] = node
        node.descriptor = descriptor
        node.cachePlace = hand
        node.isRecentlyUsed = true
        advance()
    }

    /// Closes a directory, if it is held.
    mutating func remove(_ node: Node) {
        guard node.descriptor >= 0, places.indices.contains(node.cachePlace), places[node.cachePlace] === node else {
            return
        }
        places[node.cachePlace] = nil
        close(node)
    }

    /// Closes all.
    mutating func closeAll() {
        for node in places { if let node { remove(node) } }
    }

    private mutating func advance() { hand = hand + 1 == places.count ? 0 : hand + 1 }

    private func close(_ node: Node) {
        Glibc.close(node.descriptor)
        node.descriptor = -1
    }
}
