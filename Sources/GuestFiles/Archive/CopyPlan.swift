import FileProtocol

/// Where a copy goes: the rules of `docker cp` and `cp -r`, for both directions.
///
/// A file goes to the name it is given, or into the directory of that name. A directory becomes the name it is given when
/// that is free, or goes into the directory of that name; with `/.` after the source only its content does.
public struct CopyPlan: Equatable, Sendable {
    /// What is copied.
    public struct Source: Equatable, Sendable {
        /// The path without the `/.` and slashes at its end; `/` alone for the root.
        public var path: [UInt8]
        /// Its last name; empty for the root and for paths that end with `.` or `..`.
        public var name: [UInt8]
        /// Whether the path ended with `/.` (or is `.`, `..` or the root): only the content is meant.
        public var isContent: Bool
        /// Whether the path ended with a slash: then it must be a directory, and a link to one is followed.
        public var mustBeDirectory: Bool

        /// Takes a path apart.
        public init(_ path: [UInt8]) {
            var rest = path[...]
            var isContent = false
            var mustBeDirectory = false
            while true {
                if rest.count > 1, rest.last == UInt8(ascii: "/") {
                    rest.removeLast()
                    mustBeDirectory = true
                } else if rest.count > 1, rest.suffix(2).elementsEqual("/.".utf8) {
                    rest.removeLast()
                    isContent = true
                } else {
                    break
                }
            }
            let last = rest.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
            let isName = !last.isEmpty && last != Array(".".utf8) && last != Array("..".utf8)
            self.path = Array(rest)
            name = isName ? last : []
            self.isContent = isContent || !isName
            self.mustBeDirectory = mustBeDirectory || self.isContent
        }
    }

    /// What the target's path means.
    public enum Target: Equatable, Sendable {
        case nothing
        case directory
        case other
    }

    /// The directory in which the archive is unpacked.
    public var directory: [UInt8]
    /// What the archive calls its root entry: a name, or `.` when only its content goes into ``directory``.
    public var name: [UInt8]

    /// Plans a copy.
    /// - Parameters:
    ///   - isDirectory: whether the source is a directory.
    ///   - path: the target as the user wrote it.
    ///   - target: what that path leads to, links followed.
    /// - Throws: ``GuestFilesError/archive(_:)`` when the two do not fit.
    public init(
        _ source: Source, isDirectory: Bool, to path: [UInt8], which target: Target
    ) throws(GuestFilesError) {
        let shown = String(decoding: path, as: UTF8.self)
        guard isDirectory || !source.mustBeDirectory else {
            throw .archive("\(String(decoding: source.path, as: UTF8.self)) is not a directory")
        }
        let parts = Source(path)
        switch target {
        case .directory:
            directory = path
            name = source.isContent ? Array(".".utf8) : source.name
        case .other:
            guard !isDirectory else {
                throw .archive("\(shown) is there and not a directory; a directory cannot replace it")
            }
            guard !parts.mustBeDirectory else { throw .archive("\(shown) is not a directory") }
            (directory, name) = (Self.parent(of: parts.path), parts.name)
        case .nothing:
            guard !parts.name.isEmpty, isDirectory || !parts.mustBeDirectory else {
                throw .archive("there is no directory \(shown); make it first")
            }
            (directory, name) = (Self.parent(of: parts.path), parts.name)
        }
    }

    private static func parent(of path: [UInt8]) -> [UInt8] {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return Array(".".utf8) }
        return slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
    }
}
