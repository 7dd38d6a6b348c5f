import AgentProtocol

/// Something that happened below a watched path. Paths are relative to what is watched; the watched file or directory
/// itself is the empty path.
public enum FileEvent: Hashable, Sendable {
    /// A file or directory is new under this path. A directory that appears with content is followed by an event for
    /// each thing in it; what happens while that is found out may be told twice, but is not lost.
    case created([UInt8])
    /// The content changed.
    case modified([UInt8])
    /// Mode, owner, times, links or extended attributes changed.
    case attributesChanged([UInt8])
    /// Nothing has this path any more.
    case removed([UInt8])
    /// What had the first path has the second. Paths below a directory change with it and have no events of their own.
    case moved(from: [UInt8], to: [UInt8])
    /// Events were lost, or a new directory could not be watched: whoever needs to know must look again.
    case overflow
    /// What was watched is gone; no more events come.
    case ended

    init(from reader: inout ByteReader) throws(ProtocolError) {
        switch try reader.unsigned8() {
        case 1: self = .created(try reader.relativePath())
        case 2: self = .modified(try reader.relativePath())
        case 3: self = .attributesChanged(try reader.relativePath())
        case 4: self = .removed(try reader.relativePath())
        case 5: self = .moved(from: try reader.relativePath(), to: try reader.relativePath())
        case 6: self = .overflow
        case 7: self = .ended
        default: throw .badField("event")
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .created(let path): writer.event(1, path)
        case .modified(let path): writer.event(2, path)
        case .attributesChanged(let path): writer.event(3, path)
        case .removed(let path): writer.event(4, path)
        case .moved(let from, let to):
            writer.event(5, from)
            writer.data(to)
        case .overflow: writer.unsigned8(6)
        case .ended: writer.unsigned8(7)
        }
    }
}

extension ByteReader {
    /// Reads a path below something: joined names, none of them empty, `.` or `..`; empty for the thing itself.
    fileprivate mutating func relativePath() throws(ProtocolError) -> [UInt8] {
        let path = try data()
        guard path.count <= GuestPath.maximumLength, !path.contains(0) else { throw .badField("path") }
        if path.isEmpty { return path }
        for name in path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
                throw .badField("path")
            }
        }
        return path
    }
}

extension ByteWriter {
    fileprivate mutating func event(_ kind: UInt8, _ path: [UInt8]) {
        unsigned8(kind)
        data(path)
    }
}
