import CFileSystem
import FileProtocol
import Glibc
import TreeArchive

/// Watches a file, a directory, or all below one, through inotify(7).
///
/// A directory that appears is watched first and looked into afterwards, so that what is made in it meanwhile is told
/// once or twice but not missed.
final class TreeWatch {
    private static let interests =
        UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_MODIFY) | UInt32(IN_ATTRIB) | UInt32(IN_MOVED_FROM)
        | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF)
    /// More events are not read from the kernel while so many wait; it keeps some and tells when it loses others.
    private static let mostReady = 10_000
    /// Most directories under one watch.
    private static let mostDirectories = 262_144
    /// The longest record of the kernel: its head, a name and padding.
    private static let headLength = 16

    /// Readable when there are events.
    let inotify: OpenFile
    /// Opens what is watched again, by its path: a descriptor that was kept would keep a removed file from going, and its
    /// end from being told.
    private let root: () throws(FileCallError) -> OpenFile
    private let isRecursive: Bool
    private var paths: [Int32: [UInt8]] = [:]
    private var rootNumber: Int32 = -1
    private var ready: [FileEvent] = []
    private var last: [[UInt8]: FileEvent] = [:]
    private var leaving: (cookie: UInt32, path: [UInt8], isDirectory: Bool)?
    private var hasEnded = false

    /// Watches what a path means, links followed.
    init(_ path: GuestPath, in tree: GuestTree, recursive: Bool) throws(FileCallError) {
        let root = try tree.locate(path)
        let (device, inode) = (try root.status().st_dev, try root.status().st_ino)
        self.root = { () throws(FileCallError) in
            let root = try tree.locate(path)
            let status = try root.status()
            guard status.st_dev == device, status.st_ino == inode else { throw FileCallError("find it", code: ENOENT) }
            return root
        }
        inotify = OpenFile(
            owning: try FileCallError.check("make a watch") { inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC)) })
        let isDirectory = try root.status().st_mode & S_IFMT == S_IFDIR
        isRecursive = recursive && isDirectory
        rootNumber = try add(root, [])
        if isRecursive { try addTree([], tells: false) }
    }

    /// Whether there is something to take without reading from the kernel.
    var hasReady: Bool { !ready.isEmpty }

    /// Events that have happened, as many as one response can hold; none when there are none.
    func take() throws(FileCallError) -> [FileEvent] {
        if ready.count < Self.mostReady && !hasEnded { try read() }
        var size = 0
        var count = 0
        while count < ready.count && size < 400_000 {
            size += ready[count].length
            count += 1
        }
        let events = Array(ready.prefix(count))
        ready.removeFirst(count)
        // What was handed out is not taken back by what comes later.
        last = [:]
        return events
    }

    // MARK: Watched directories

    private func add(_ file: OpenFile, _ path: [UInt8]) throws(FileCallError) -> Int32 {
        guard paths.count < Self.mostDirectories else { throw FileCallError("watch it", code: ENOSPC) }
        let number = try FileCallError.check("watch \(FileCallError.text(path))") {
            inotify_add_watch(inotify.number, file.procPath, Self.interests)
        }
        paths[number] = path
        return number
    }

    /// Watches a directory and all below it.
    /// - Parameter tells: whether what is found in it is told as created.
    private func addTree(_ path: [UInt8], tells: Bool) throws(FileCallError) {
        let directory = try root().directory(path).reopen(O_RDONLY | O_DIRECTORY)
        var walk = TreeWalk(of: [UInt8(ascii: ".")], in: directory)
        while let step = try walk.next() {
            guard case .entry(let entry) = step else { continue }
            let below = path.isEmpty || entry.path.isEmpty ? path + entry.path : path + [UInt8(ascii: "/")] + entry.path
            if tells && !entry.path.isEmpty { tell(.created(below), about: below) }
            guard entry.isDirectory else { continue }
            do throws(FileCallError) {
                _ = try add(try entry.parent.open(entry.name, files_open_path | O_DIRECTORY), below)
                try walk.descend(into: entry)
            } catch {
                // Gone, or replaced by something else: then there is nothing to watch.
                guard [ENOENT, ENOTDIR, ELOOP].contains(error.code) else { throw error }
            }
        }
    }

    /// Watches a directory that has appeared.
    private func appeared(_ path: [UInt8]) {
        guard isRecursive else { return }
        do throws(FileCallError) { try addTree(path, tells: true) } catch {
            if error.code != ENOENT && error.code != ENOTDIR { tell(.overflow, about: []) }
        }
    }

    private func disappeared(_ path: [UInt8]) {
        for (number, watched) in paths where watched == path || watched.starts(with: path + [UInt8(ascii: "/")]) {
            if number == rootNumber { continue }
            inotify_rm_watch(inotify.number, number)
            paths[number] = nil
        }
    }

    private func moved(_ path: [UInt8], to newPath: [UInt8]) {
        for (number, watched) in paths where watched == path || watched.starts(with: path + [UInt8(ascii: "/")]) {
            paths[number] = newPath + watched.dropFirst(path.count)
        }
    }

    // MARK: Events

    private func tell(_ event: FileEvent, about path: [UInt8]) {
        if last[path] == event { return }
        if case .modified = event, last[path] == .created(path) { return }
        last[path] = event
        ready.append(event)
    }

    private func read() throws(FileCallError) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var hasWaited = false
        while ready.count < Self.mostReady {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(inotify.number, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 {
                guard count == 0 || errno == EAGAIN else { throw FileCallError("read events", code: errno) }
                // The other half of a move follows at once, but perhaps not in the same moment.
                guard leaving != nil, !hasWaited else { break }
                var waiting = pollfd(fd: inotify.number, events: Int16(POLLIN), revents: 0)
                poll(&waiting, 1, 5)
                hasWaited = true
                continue
            }
            parse(buffer[..<count])
        }
        left()
    }

    private func parse(_ records: ArraySlice<UInt8>) {
        var rest = records
        while rest.count >= Self.headLength {
            func field(_ offset: Int) -> UInt32 {
                rest.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
            }
            let (number, mask, cookie) = (Int32(bitPattern: field(0)), field(4), field(8))
            let length = Int(field(12))
            guard rest.count >= Self.headLength + length else { return }
            let name = rest.dropFirst(Self.headLength).prefix(length).prefix { $0 != 0 }
            handle(number, mask, cookie, Array(name))
            rest = rest.dropFirst(Self.headLength + length)
        }
    }

    private func handle(_ number: Int32, _ mask: UInt32, _ cookie: UInt32, _ name: [UInt8]) {
        func has(_ bit: Int) -> Bool { mask & UInt32(truncatingIfNeeded: bit) != 0 }
        if let from = leaving, !(has(Int(IN_MOVED_TO)) && from.cookie == cookie) { left() }
        if has(Int(IN_Q_OVERFLOW)) {
            tell(.overflow, about: [])
            // Directories may have appeared unseen.
            if isRecursive { _ = try? addTree([], tells: false) }
            return
        }
        guard let directory = paths[number] else { return }
        if has(Int(IN_IGNORED)) {
            paths[number] = nil
            if number == rootNumber { end() }
            return
        }
        if name.isEmpty {
            // About the watched thing itself; what is below the root is told by its directory.
            guard number == rootNumber else { return }
            if has(Int(IN_ATTRIB)) { tell(.attributesChanged([]), about: []) }
            if has(Int(IN_MODIFY)) { tell(.modified([]), about: []) }
            if has(Int(IN_DELETE_SELF)) || has(Int(IN_MOVE_SELF)) || has(Int(IN_UNMOUNT)) {
                tell(.removed([]), about: [])
                end()
            }
            return
        }
        let path = directory.isEmpty ? name : directory + [UInt8(ascii: "/")] + name
        let isDirectory = has(Int(IN_ISDIR))
        if has(Int(IN_CREATE)) {
            tell(.created(path), about: path)
            if isDirectory { appeared(path) }
        } else if has(Int(IN_DELETE)) {
            tell(.removed(path), about: path)
        } else if has(Int(IN_MOVED_FROM)) {
            leaving = (cookie, path, isDirectory)
        } else if has(Int(IN_MOVED_TO)) {
            arrived(path, isDirectory)
        } else if has(Int(IN_MODIFY)) {
            tell(.modified(path), about: path)
        } else if has(Int(IN_ATTRIB)) {
            tell(.attributesChanged(path), about: path)
        }
    }

    private func arrived(_ path: [UInt8], _ isDirectory: Bool) {
        guard let from = leaving else {
            tell(.created(path), about: path)
            if isDirectory { appeared(path) }
            return
        }
        leaving = nil
        tell(.moved(from: from.path, to: path), about: path)
        last[from.path] = nil
        if isDirectory { moved(from.path, to: path) }
    }

    /// What left was not moved to anywhere that is watched.
    private func left() {
        guard let from = leaving else { return }
        leaving = nil
        tell(.removed(from.path), about: from.path)
        if from.isDirectory { disappeared(from.path) }
    }

    private func end() {
        guard !hasEnded else { return }
        hasEnded = true
        ready.append(.ended)
    }
}

extension FileEvent {
    /// Bytes that it takes in a response, at most.
    fileprivate var length: Int {
        switch self {
        case .created(let path), .modified(let path), .attributesChanged(let path), .removed(let path): path.count + 16
        case .moved(let from, let to): from.count + to.count + 16
        case .overflow, .ended: 16
        }
    }
}
