/// A file that the guest's kernel knows by a number: which file of the host it is, and under which name it was last seen.
///
/// Nodes hold no file open, except directories that are in use; a name is looked up again when it is needed, and what is
/// found there is compared with the identity.
final class Node {
    /// A name in a directory, ended by NUL for the kernel's calls.
    struct Link {
        let parent: Node
        let name: ContiguousArray<CChar>

        init(_ parent: Node, _ name: RequestName) {
            self.parent = parent
            self.name = ContiguousArray(UnsafeBufferPointer(start: name.pointer, count: name.count + 1))
        }

        init(_ parent: Node, name: ContiguousArray<CChar>) {
            self.parent = parent
            self.name = name
        }

        /// Whether this is the name in the directory.
        func isSame(as name: RequestName, in parent: Node) -> Bool {
            guard parent === self.parent, name.count + 1 == self.name.count else { return false }
            return self.name.withUnsafeBytes { $0.dropLast().elementsEqual(name.bytes) }
        }
    }

    /// Other names of a hard-linked file that are kept.
    static let mostOtherLinks = 7

    let id: UInt64
    let identity: FileIdentity
    /// The file's kind, as in its mode.
    let kind: UInt32
    /// `nil` for what is mounted.
    private(set) var link: Link?
    /// Further names of a file with hard links, the newest last.
    private(set) var otherLinks: [Link] = []
    /// How often the guest's kernel has got this node and not forgotten it.
    var lookups: UInt64 = 0
    /// Nodes that have a name in this one.
    fileprivate(set) var children = 0
    /// What the guest has opened of it.
    var handles: [Handle] = []
    /// For a directory that is in use: opened with O_PATH, of ``DirectoryCache``; else -1.
    var descriptor: Int32 = -1
    /// Its place in ``DirectoryCache``.
    var cachePlace = 0
    var isRecentlyUsed = false
    /// Time of modification and size of a file when the guest last opened it: as long as they stay, its pages do.
    var contentVersion: ContentVersion?
    /// When the guest last got its attributes, in seconds of the monotonic clock.
    var lastTold: UInt32 = 0

    init(id: UInt64, identity: FileIdentity, kind: UInt32, link: Link?) {
        self.id = id
        self.identity = identity
        self.kind = kind
        self.link = link
        link?.parent.children += 1
    }

    var isDirectory: Bool { kind == FileKind.directory }

    /// Notes that the file has been seen under a name.
    /// - Parameter keepsOthers: whether it may still have those it was seen under before.
    /// - Returns: directories that lost a name.
    func see(_ new: Link, keepsOthers: Bool) -> [Node] {
        guard let old = link else { return [] }
        new.parent.children += 1
        var lost: [Node] = []
        if keepsOthers {
            otherLinks.append(old)
            if otherLinks.count > Self.mostOtherLinks { lost = [otherLinks.removeFirst().parent] }
        } else {
            lost = [old.parent] + otherLinks.map(\.parent)
            otherLinks = []
        }
        link = new
        for parent in lost { parent.children -= 1 }
        return lost
    }

    /// Adds a further name of a file, as an earlier server knew it.
    func addOther(_ new: Link) {
        guard !isDirectory, link != nil, otherLinks.count < Self.mostOtherLinks else { return }
        new.parent.children += 1
        otherLinks.append(new)
    }

    /// Takes another of its names for the first.
    func prefer(_ index: Int) {
        guard otherLinks.indices.contains(index), let first = link else { return }
        link = otherLinks[index]
        otherLinks[index] = first
    }

    /// Forgets all names, since nobody knows the node any more.
    /// - Returns: directories that lost a name.
    func dropLinks() -> [Node] {
        let lost = (link.map { [$0.parent] } ?? []) + otherLinks.map(\.parent)
        for parent in lost { parent.children -= 1 }
        link = nil
        otherLinks = []
        return lost
    }
}

/// What changes when a file's content does.
struct ContentVersion: Equatable {
    let seconds: Int64
    let nanoseconds: UInt32
    let size: UInt64
}
