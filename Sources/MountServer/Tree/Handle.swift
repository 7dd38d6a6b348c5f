import Glibc

/// Something that the guest has open.
final class Handle {
    let id: UInt64
    let node: Node
    /// O_RDONLY, O_WRONLY or O_RDWR.
    let access: Int32
    /// -1 while the handle of an earlier server has not been used yet.
    var descriptor: Int32
    /// For a directory: entries that were read and not given yet.
    var listing: DirectoryListing?

    init(id: UInt64, node: Node, access: Int32, descriptor: Int32) {
        self.id = id
        self.node = node
        self.access = access
        self.descriptor = descriptor
        if node.isDirectory { listing = DirectoryListing() }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

/// What the guest has open, by number.
struct HandleTable {
    private(set) var handles: [UInt64: Handle] = [:]
    private(set) var nextID: UInt64 = 1
    /// Most that can be open.
    let most: Int

    init(most: Int) { self.most = most }

    /// The handle with a number.
    /// - Throws: `EBADF` when there is none.
    func handle(_ id: UInt64) throws(ErrorNumber) -> Handle {
        guard let handle = handles[id] else { throw ErrorNumber(EBADF) }
        return handle
    }

    /// Throws `ENFILE` when no more can be opened.
    func requireRoom() throws(ErrorNumber) { if handles.count >= most { throw ErrorNumber(ENFILE) } }

    /// Gives what was opened a number; owns the descriptor.
    mutating func add(_ node: Node, access: Int32, descriptor: Int32) -> Handle {
        let handle = Handle(id: nextID, node: node, access: access, descriptor: descriptor)
        nextID += 1
        handles[handle.id] = handle
        node.handles.append(handle)
        return handle
    }

    /// Takes a handle away; it is closed when nobody uses it any more.
    mutating func remove(_ id: UInt64) -> Handle? {
        guard let handle = handles.removeValue(forKey: id) else { return nil }
        handle.node.handles.removeAll { $0 === handle }
        return handle
    }

    /// Closes all.
    mutating func closeAll() {
        // Nodes and handles hold each other.
        for handle in handles.values { handle.node.handles = [] }
        handles = [:]
    }

    /// Takes up a handle of an earlier server, which is opened when it is used.
    mutating func restore(_ id: UInt64, node: Node, access: Int32) {
        let handle = Handle(id: id, node: node, access: access, descriptor: -1)
        handles[id] = handle
        node.handles.append(handle)
        nextID = max(nextID, id + 1)
    }

    /// Keeps numbers that an earlier server gave from being given again.
    mutating func continueNumbers(from next: UInt64) { nextID = max(nextID, next) }
}
