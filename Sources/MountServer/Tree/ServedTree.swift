import CLinux
import Glibc

/// From nodes to files: finds what a node stands for below what is served, and makes sure that it is still that file.
///
/// All names go to calls that take one component below a directory, or to openat2(2), which neither follows a link nor
/// leaves the directory. So whatever is renamed or replaced meanwhile, nothing outside can be reached; and since every
/// file is compared with its node's identity, nothing is taken for another.
struct ServedTree {
    var nodes: NodeTable

    /// Longest path that is given to the kernel at once.
    private static let longestPath = 3 << 10

    // MARK: Directories

    /// A descriptor, opened with O_PATH, of a directory: valid until another one is asked for.
    mutating func directory(_ node: Node) throws(ErrorNumber) -> Int32 {
        if node.descriptor >= 0 {
            node.isRecentlyUsed = true
            return node.descriptor
        }
        guard node.isDirectory else { throw ErrorNumber(ENOTDIR) }
        let descriptor = try openPath(node)
        nodes.directories.insert(node, descriptor)
        return descriptor
    }

    /// Descriptors of two directories at once.
    mutating func directories(_ one: Node, _ other: Node) throws(ErrorNumber) -> (Int32, Int32) {
        _ = try directory(one)
        _ = try directory(other)
        // Opening the second may have closed the first. Opening that again closes another, since the second is the one
        // that was used last.
        return (try directory(one), other.descriptor)
    }

    /// Opens a node's file with O_PATH by its names.
    /// - Throws: `ESTALE` when it has none of the names under which it is known any more.
    private mutating func openPath(_ node: Node) throws(ErrorNumber) -> Int32 {
        if node === nodes.root {
            return try check(linux_reopen(node.descriptor, linux_open_path))
        }
        if let descriptor = try openPathOnce(node) { return descriptor }
        for index in node.otherLinks.indices {
            node.prefer(index)
            if let descriptor = try openPathOnce(node) { return descriptor }
        }
        throw ErrorNumber(ESTALE)
    }

    private func openPathOnce(_ node: Node) throws(ErrorNumber) -> Int32? {
        // Names from the node up to the nearest directory that is open.
        var names: [Node.Link] = []
        var current = node
        while let link = current.link {
            names.append(link)
            current = link.parent
            if current.descriptor >= 0 { break }
        }
        guard current.descriptor >= 0 else { return nil }
        var base = current.descriptor
        var opened: Int32 = -1
        var path = ContiguousArray<CChar>()
        while let link = names.popLast() {
            if !path.isEmpty { path.append(CChar(bitPattern: UInt8(ascii: "/"))) }
            path.append(contentsOf: link.name.dropLast())
            guard names.isEmpty || path.count > Self.longestPath else { continue }
            path.append(0)
            let next = path.withUnsafeBufferPointer { linux_open_below(base, $0.baseAddress, linux_open_path, 0) }
            let code = errno
            if opened >= 0 { close(opened) }
            if next < 0 {
                if Self.meansAbsent(code) { return nil }
                throw ErrorNumber(code)
            }
            (opened, base) = (next, next)
            path.removeAll(keepingCapacity: true)
        }
        guard isFile(opened, node) else {
            close(opened)
            return nil
        }
        return opened
    }

    private static func meansAbsent(_ code: Int32) -> Bool {
        code == ENOENT || code == ENOTDIR || code == ELOOP || code == EXDEV
    }

    private func isFile(_ descriptor: Int32, _ node: Node) -> Bool {
        var status = linux_file_status()
        return linux_file_status_at(descriptor, "", &status) == 0 && FileIdentity(status) == node.identity
    }

    // MARK: Any file

    /// What can be reached of a node.
    enum Reach {
        /// Open for reading or writing, by the guest.
        case open(Int32)
        /// Opened with O_PATH.
        case named(Int32)
    }

    /// Calls `body` with a descriptor of the node's file, whatever kind it is.
    @discardableResult
    mutating func withFile<Value>(
        _ node: Node, _ body: (Reach) throws(ErrorNumber) -> Value
    ) throws(ErrorNumber) -> Value {
        if node.descriptor >= 0 { return try body(.named(node.descriptor)) }
        if let descriptor = try? openDescriptor(node) { return try body(.open(descriptor)) }
        if node.isDirectory { return try body(.named(try directory(node))) }
        let descriptor = try openPath(node)
        defer { close(descriptor) }
        return try body(.named(descriptor))
    }

    /// What a node's file is now.
    mutating func status(_ node: Node) throws(ErrorNumber) -> linux_file_status {
        var status = linux_file_status()
        if node.descriptor >= 0 {
            try check(linux_file_status_at(node.descriptor, "", &status))
            return status
        }
        // Also for a file without a name that the guest has open.
        if let descriptor = try? openDescriptor(node) {
            try check(linux_file_status_at(descriptor, "", &status))
            return status
        }
        if !node.isDirectory, let link = node.link, link.parent.descriptor >= 0 {
            // The usual case in one call.
            link.parent.isRecentlyUsed = true
            let found = link.name.withUnsafeBufferPointer {
                linux_file_status_at(link.parent.descriptor, $0.baseAddress, &status)
            }
            if found == 0, FileIdentity(status) == node.identity { return status }
        }
        try withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor), .named(let descriptor):
                try check(linux_file_status_at(descriptor, "", &status))
            }
        }
        return status
    }

    /// The status of a name in a directory.
    mutating func status(of name: RequestName, in parent: Node) throws(ErrorNumber) -> linux_file_status {
        var status = linux_file_status()
        try check(linux_file_status_at(try directory(parent), name.pointer, &status))
        return status
    }

    // MARK: Open files

    /// Opens a regular file or a directory for reading or writing.
    mutating func open(_ node: Node, access: Int32) throws(ErrorNumber) -> Int32 {
        if node.isDirectory {
            let directory = try directory(node)
            return try check(linux_open_below(directory, ".", O_RDONLY | O_DIRECTORY, 0))
        }
        guard node.kind == FileKind.file else { throw ErrorNumber(node.kind == FileKind.link ? ELOOP : ENXIO) }
        let flags = access | O_NONBLOCK | O_NOCTTY
        if node === nodes.root { return try check(linux_reopen(node.descriptor, flags)) }
        if let link = node.link {
            let parent = try directory(link.parent)
            let descriptor = link.name.withUnsafeBufferPointer { linux_open_below(parent, $0.baseAddress, flags, 0) }
            if descriptor >= 0 {
                if isFile(descriptor, node) { return descriptor }
                close(descriptor)
            } else if !Self.meansAbsent(errno) {
                throw ErrorNumber(errno)
            }
        }
        return try withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor), .named(let descriptor): try check(linux_reopen(descriptor, flags))
            }
        }
    }

    /// The descriptor of something that the guest has open; that of an earlier server is opened now.
    /// - Throws: `ESTALE` when the file is not there any more.
    mutating func descriptor(_ handle: Handle) throws(ErrorNumber) -> Int32 {
        if handle.descriptor < 0 {
            // Not through the handle itself, which withFile would ask for again.
            let node = handle.node
            let others = node.handles
            node.handles = []
            defer { node.handles = others }
            handle.descriptor = try open(node, access: handle.access)
        }
        return handle.descriptor
    }

    /// A descriptor through which the guest has a node open.
    private mutating func openDescriptor(_ node: Node) throws(ErrorNumber) -> Int32 {
        guard !node.isDirectory, let handle = node.handles.last else { throw ErrorNumber(EBADF) }
        if handle.descriptor >= 0 { return handle.descriptor }
        for other in node.handles where other.descriptor >= 0 { return other.descriptor }
        return try descriptor(handle)
    }
}

/// The result of a system call, or its error.
@discardableResult
func check(_ result: Int) throws(ErrorNumber) -> Int {
    guard result >= 0 else { throw ErrorNumber(errno) }
    return result
}

/// The descriptor that a system call returned, or its error.
@discardableResult
func check(_ result: Int32) throws(ErrorNumber) -> Int32 {
    guard result >= 0 else { throw ErrorNumber(errno) }
    return result
}
