/// Builds tar archives by hand, byte for byte.
struct TarBytes {
    private(set) var bytes: [UInt8] = []

    struct Fields {
        var name: [UInt8] = []
        var mode = "0000644"
        var owner = "0000000"
        var group = "0000000"
        var size: [UInt8]?
        var time = "00000000000"
        var type: Character = "0"
        var link: [UInt8] = []
        var magic = "ustar\u{0}00"
        var major = "0000000"
        var minor = "0000000"
        var prefix: [UInt8] = []
        var signedChecksum = false
        var checksum: Int?
        /// Written over the block before its checksum is taken.
        var overlay: [(Int, [UInt8])] = []
    }

    static func header(_ fields: Fields, contentSize: Int) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ offset: Int, _ value: some Sequence<UInt8>) {
            for (index, byte) in value.enumerated() { block[offset + index] = byte }
        }
        put(0, fields.name)
        put(100, fields.mode.utf8)
        put(108, fields.owner.utf8)
        put(116, fields.group.utf8)
        put(124, fields.size ?? Array(octal(contentSize, 11).utf8))
        put(136, fields.time.utf8)
        put(148, "        ".utf8)
        put(156, String(fields.type).utf8)
        put(157, fields.link)
        put(257, fields.magic.utf8)
        put(329, fields.major.utf8)
        put(337, fields.minor.utf8)
        put(345, fields.prefix)
        for (offset, bytes) in fields.overlay { put(offset, bytes) }
        let sum =
            fields.checksum
            ?? block.reduce(0) { $0 + (fields.signedChecksum ? Int(Int8(bitPattern: $1)) : Int($1)) }
        put(148, (octal(sum, 6) + "\u{0} ").utf8)
        return block
    }

    static func octal(_ value: Int, _ width: Int) -> String {
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    mutating func add(_ fields: Fields, content: [UInt8] = []) {
        bytes += Self.header(fields, contentSize: content.count)
        bytes += content
        bytes += [UInt8](repeating: 0, count: -content.count & 511)
    }

    mutating func add(
        _ name: String, type: Character = "0", content: String = "", link: String = "",
        change: (inout Fields) -> Void = { _ in }
    ) {
        var fields = Fields(name: Array(name.utf8), type: type, link: Array(link.utf8))
        if type == "5" || name.hasSuffix("/") { fields.mode = "0000755" }
        change(&fields)
        add(fields, content: Array(content.utf8))
    }

    mutating func addPax(_ records: [(String, [UInt8])], type: Character = "x") {
        var content: [UInt8] = []
        for (key, value) in records {
            let rest = Array(" \(key)=".utf8) + value + Array("\n".utf8)
            var length = rest.count + 1
            while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
            content += Array(String(length).utf8) + rest
        }
        add(Fields(name: Array("pax".utf8), type: type), content: content)
    }

    mutating func addPax(_ records: [(String, String)], type: Character = "x") {
        addPax(records.map { ($0.0, Array($0.1.utf8)) }, type: type)
    }

    mutating func addRaw(_ raw: [UInt8]) { bytes += raw }

    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    /// The archive of what `build` adds, with its end.
    static func archive(_ build: (inout TarBytes) -> Void) -> [UInt8] {
        var tar = TarBytes()
        build(&tar)
        tar.end()
        return tar.bytes
    }
}

extension TarBytes {
    /// Adds a sparse file in each of the ways that GNU tar writes them.
    mutating func addSparseFiles() {
        addPax([("GNU.sparse.size", "100000"), ("GNU.sparse.map", "0,3,50000,4")])
        add("sparse-0.1", content: "1234567")
        addPax([
            ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "1000000"),
            ("GNU.sparse.name", "sparse-1.0"),
        ])
        add("z", content: "1\n8192\n5\n" + String(repeating: "\u{0}", count: 503) + "12345")
        add("sparse-old", type: "S", content: "abcde") {
            $0.magic = "ustar  "
            $0.overlay = [
                (386, Array("00000000000\u{0}00000000002\u{0}00000010000\u{0}00000000003\u{0}".utf8)),
                (483, Array("00000100000\u{0}".utf8)),
            ]
        }
    }
}
