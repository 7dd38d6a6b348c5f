/// Writes tar archives in the format ustar (IEEE 1003.1-1988), with pax headers (IEEE 1003.1-2001) for what that cannot
/// say. It makes headers and paddings; whoever uses it puts the content of files between them.
public enum TarEncoder {
    private static let blockSize = 512
    /// The largest numbers that eleven and seven octal digits can say.
    private static let largestLong: Int64 = 1 << 33 - 1
    private static let largestShort: UInt32 = 1 << 21 - 1

    /// The header of an entry, after which the content of a file follows.
    public static func header(_ entry: TarEntry) -> [UInt8] {
        var name = entry.name
        if entry.kind == .directory && name.last != UInt8(ascii: "/") { name.append(UInt8(ascii: "/")) }
        let target: [UInt8] =
            switch entry.kind {
            case .symbolicLink(let target), .hardLink(let target): target
            default: []
            }
        var records: [UInt8] = []
        let split = split(name)
        if split == nil { records += record("path", name) }
        if target.count > 100 || !target.allSatisfy({ $0 < 128 }) { records += record("linkpath", target) }
        if entry.size > largestLong { records += record("size", Array("\(entry.size)".utf8)) }
        if entry.owner > largestShort { records += record("uid", Array("\(entry.owner)".utf8)) }
        if entry.group > largestShort { records += record("gid", Array("\(entry.group)".utf8)) }
        let (seconds, nanoseconds) = entry.modified
        if nanoseconds != 0 || seconds < 0 || seconds > largestLong {
            records += record("mtime", Array(time(seconds, nanoseconds).utf8))
        }
        for attribute in entry.attributes { records += record("SCHILY.xattr.", attribute.name, attribute.value) }

        var bytes: [UInt8] = []
        if !records.isEmpty {
            bytes += block(("PaxHeader".utf8.map { $0 }, []), UInt8(ascii: "x"), size: Int64(records.count))
            bytes += records
            bytes += padding(Int64(records.count))
        }
        let (type, major, minor): (Character, UInt32, UInt32) =
            switch entry.kind {
            case .file: ("0", 0, 0)
            case .hardLink: ("1", 0, 0)
            case .symbolicLink: ("2", 0, 0)
            case .characterDevice(let major, let minor): ("3", major, minor)
            case .blockDevice(let major, let minor): ("4", major, minor)
            case .directory: ("5", 0, 0)
            case .fifo: ("6", 0, 0)
            }
        // Where a pax record counts, what the field says does not.
        bytes += block(
            split ?? (Array(name.prefix(100)), []), type.asciiValue ?? 0, target: Array(target.prefix(100)),
            mode: entry.mode, owner: entry.owner > largestShort ? 0 : entry.owner,
            group: entry.group > largestShort ? 0 : entry.group, size: entry.size > largestLong ? 0 : entry.size,
            modified: (0...largestLong).contains(seconds) ? seconds : 0, device: (major, minor))
        return bytes
    }

    /// What follows a content of so many bytes.
    public static func padding(_ length: Int64) -> [UInt8] {
        [UInt8](repeating: 0, count: Int(truncatingIfNeeded: -length & 511))
    }

    /// The end of an archive of so many bytes, filled up to a whole record as GNU tar does.
    public static func end(after length: Int64) -> [UInt8] {
        let record: Int64 = 20 * 512
        let rest = (length % record + 1024) % record
        return [UInt8](repeating: 0, count: 1024 + (rest == 0 ? 0 : Int(record - rest)))
    }

    /// A path as the fields for a name of 100 bytes and its prefix of 155 can hold it; `nil` when they cannot.
    private static func split(_ path: [UInt8]) -> (name: [UInt8], prefix: [UInt8])? {
        guard path.allSatisfy({ $0 < 128 }) else { return nil }
        if path.count <= 100 { return (path, []) }
        // The first slash that leaves a name short enough, and not the one at the end.
        guard let slash = path.dropFirst(path.count - 101).dropLast().firstIndex(of: UInt8(ascii: "/")),
            (1...155).contains(slash)
        else { return nil }
        return (Array(path[(slash + 1)...]), Array(path[..<slash]))
    }

    /// A record of a pax header. Its length is part of it.
    private static func record(_ key: String, _ rest: [UInt8]...) -> [UInt8] {
        var text = [UInt8(ascii: " ")] + Array(key.utf8)
        if rest.count > 1, let name = rest.first { text += name }
        text.append(UInt8(ascii: "="))
        text += rest.last ?? []
        text.append(UInt8(ascii: "\n"))
        var length = text.count
        while "\(length)".utf8.count + text.count != length { length = "\(length)".utf8.count + text.count }
        return Array("\(length)".utf8) + text
    }

    private static func time(_ seconds: Int64, _ nanoseconds: UInt32) -> String {
        func fraction(_ nanoseconds: UInt32) -> String {
            let digits = "\(nanoseconds)"
            return nanoseconds == 0 ? "" : "." + String(repeating: "0", count: 9 - digits.count) + digits
        }
        guard seconds < 0, nanoseconds != 0 else { return "\(seconds)\(fraction(nanoseconds))" }
        // The fraction of a negative number counts away from zero.
        return "-\((seconds + 1).magnitude)\(fraction(1_000_000_000 - nanoseconds))"
    }

    private static func block(
        _ path: (name: [UInt8], prefix: [UInt8]), _ type: UInt8, target: [UInt8] = [], mode: UInt16 = 0o644,
        owner: UInt32 = 0, group: UInt32 = 0, size: Int64, modified: Int64 = 0, device: (UInt32, UInt32) = (0, 0)
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockSize)
        func put(_ text: some Collection<UInt8>, at offset: Int) {
            block.replaceSubrange(offset..<offset + text.count, with: text)
        }
        put(path.name, at: 0)
        put(octal(Int64(mode), digits: 7), at: 100)
        put(octal(Int64(owner), digits: 7), at: 108)
        put(octal(Int64(group), digits: 7), at: 116)
        put(octal(size, digits: 11), at: 124)
        put(octal(modified, digits: 11), at: 136)
        put("        ".utf8, at: 148)
        block[156] = type
        put(target, at: 157)
        put("ustar".utf8, at: 257)
        put("00".utf8, at: 263)
        // Linux's numbers of devices have at most 20 bits each.
        put(octal(Int64(device.0 & 0xfffff), digits: 7), at: 329)
        put(octal(Int64(device.1 & 0xfffff), digits: 7), at: 337)
        put(path.prefix, at: 345)
        var sum: Int64 = 0
        for byte in block { sum += Int64(byte) }
        put(octal(sum, digits: 6), at: 148)
        block[154] = 0
        return block
    }

    /// A number that `digits` octal digits can say.
    private static func octal(_ number: Int64, digits: Int) -> [UInt8] {
        var text = [UInt8](repeating: UInt8(ascii: "0"), count: digits)
        var rest = number
        for index in text.indices.reversed() {
            text[index] += UInt8(rest & 7)
            rest >>= 3
        }
        return text
    }
}
