import Glibc

/// What a server knows, in bytes: so that another, in this process's place or in that of a fork of its sandbox, goes on as
/// if nothing had happened.
///
/// The bytes may come from anywhere, a snapshot of somebody else for example. Reading them is bounded and checks all that
/// the server relies on; what files they name is checked when the guest uses them, as ever.
struct SavedState: Equatable {
    struct Link: Equatable {
        var parent: UInt64
        /// Without NUL.
        var name: [UInt8]
    }

    struct SavedNode: Equatable {
        var id: UInt64
        var kind: UInt32
        /// Whether the guest may still believe attributes that it got.
        var mayBeCached: Bool
        var identity: FileIdentity
        var lookups: UInt64
        /// The first is where it was seen last.
        var links: [Link]
    }

    struct SavedHandle: Equatable {
        var id: UInt64
        var node: UInt64
        var access: Int32
    }

    var negotiated: MountService.Negotiated?
    /// What is served. The device's number is not compared: it may be another one after the host has booted.
    var root: FileIdentity
    var rootKind: UInt32
    var nodes: [SavedNode] = []
    var handles: [SavedHandle] = []
    var nextNode: UInt64 = 2
    var nextHandle: UInt64 = 1
    /// Requests that came and were not carried out yet, the last perhaps only in part.
    var unreadInput: [UInt8] = []
    /// What was not sent yet.
    var unsentOutput: [UInt8] = []

    /// Longest state that is read: two million nodes with names of usual length.
    static let longest = 512 << 20
    private static let magic: UInt64 = 0x3154_4e55_4f4d_5053  // "SPMOUNT1"
    private static let ownDevice: UInt8 = 1 << 1
    private static let cached: UInt8 = 1 << 0

    /// Why a state cannot be used.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    // MARK: Writing

    /// The state in bytes: numbers in the order of the processor, least significant byte first.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(128 + nodes.count * 96 + unreadInput.count + unsentOutput.count)
        func put(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func put(_ content: [UInt8]) {
            put(UInt32(clamping: content.count))
            bytes.append(contentsOf: content)
        }
        put(Self.magic)
        put(UInt8(negotiated == nil ? 0 : 1))
        put(negotiated?.minor ?? 0)
        put(negotiated?.features ?? 0)
        put(root.inode)
        put(root.bornSeconds)
        put(root.bornNanoseconds)
        put(rootKind)
        put(nextNode)
        put(nextHandle)
        put(UInt32(clamping: nodes.count))
        for node in nodes {
            put(node.id)
            put(node.kind)
            put((node.mayBeCached ? Self.cached : 0) | (node.identity.device == root.device ? Self.ownDevice : 0))
            put(node.identity.device)
            put(node.identity.inode)
            put(node.identity.bornSeconds)
            put(node.identity.bornNanoseconds)
            put(node.lookups)
            put(UInt8(clamping: node.links.count))
            for link in node.links {
                put(link.parent)
                put(UInt8(clamping: link.name.count))
                bytes.append(contentsOf: link.name)
            }
        }
        put(UInt32(clamping: handles.count))
        for handle in handles {
            put(handle.id)
            put(handle.node)
            put(UInt8(clamping: handle.access))
        }
        put(unreadInput)
        put(unsentOutput)
        return bytes
    }

    // MARK: Reading

    /// Reads a state.
    /// - Parameter rootDevice: the device on which what is served lies now.
    init(_ bytes: UnsafeRawBufferPointer, rootDevice: UInt64) throws(Invalid) {
        do throws(ErrorNumber) {
            var reader = MessageReader(bytes)
            guard try reader.number(UInt64.self) == Self.magic else { throw ErrorNumber(EINVAL) }
            let isNegotiated: UInt8 = try reader.number()
            let (minor, features): (UInt32, UInt64) = (try reader.number(), try reader.number())
            negotiated = isNegotiated == 0 ? nil : .init(minor: minor, features: features)
            root = FileIdentity(
                device: rootDevice, inode: try reader.number(), bornSeconds: try reader.number(),
                bornNanoseconds: try reader.number())
            rootKind = try reader.number()
            nextNode = try reader.number()
            nextHandle = try reader.number()
            let nodeCount: UInt32 = try reader.number()
            guard nodeCount <= NodeTable.mostNodes else { throw ErrorNumber(EINVAL) }
            // Each takes at least so many bytes, so a wrong count does not take memory.
            nodes.reserveCapacity(min(Int(nodeCount), reader.rest.count / 50))
            for _ in 0..<nodeCount { nodes.append(try Self.node(&reader, rootDevice: rootDevice)) }
            let handleCount: UInt32 = try reader.number()
            for _ in 0..<handleCount {
                let (id, node): (UInt64, UInt64) = (try reader.number(), try reader.number())
                let access = Int32(try reader.number(UInt8.self))
                guard access <= O_RDWR else { throw ErrorNumber(EINVAL) }
                handles.append(SavedHandle(id: id, node: node, access: access))
            }
            unreadInput = Array(try reader.bytes(Int(try reader.number(UInt32.self))))
            unsentOutput = Array(try reader.bytes(Int(try reader.number(UInt32.self))))
            guard reader.rest.isEmpty else { throw ErrorNumber(EINVAL) }
        } catch {
            throw Invalid(description: "it is not the state of a server of files, or not all of it")
        }
        // So far from the end that no number is ever given beyond it.
        guard nextNode < .max / 2, nextHandle < .max / 2 else {
            throw Invalid(description: "its numbers are too large")
        }
    }

    private static func node(_ reader: inout MessageReader, rootDevice: UInt64) throws(ErrorNumber) -> SavedNode {
        let (id, kind, flags): (UInt64, UInt32, UInt8) = (
            try reader.number(), try reader.number(), try reader.number()
        )
        let device: UInt64 = try reader.number()
        let identity = FileIdentity(
            device: flags & ownDevice == 0 ? device : rootDevice, inode: try reader.number(),
            bornSeconds: try reader.number(), bornNanoseconds: try reader.number())
        let lookups: UInt64 = try reader.number()
        var links: [Link] = []
        for _ in 0..<(try reader.number(UInt8.self)) {
            let parent: UInt64 = try reader.number()
            let name = Array(try reader.bytes(Int(try reader.number(UInt8.self))))
            guard FileName.isPlain(name) else { throw ErrorNumber(EINVAL) }
            links.append(Link(parent: parent, name: name))
        }
        guard !links.isEmpty, links.count <= Node.mostOtherLinks + 1, kind & ~FileKind.mask == 0, lookups < .max / 2
        else { throw ErrorNumber(EINVAL) }
        return SavedNode(
            id: id, kind: kind, mayBeCached: flags & cached != 0, identity: identity, lookups: lookups, links: links)
    }

    /// A state with nothing but what is served.
    init(root: FileIdentity, kind: UInt32) {
        self.root = root
        rootKind = kind
    }
}
