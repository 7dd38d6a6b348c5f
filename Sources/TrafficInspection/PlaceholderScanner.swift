/// Finds placeholders in bytes: as they are, percent-encoded in whole or part, and where said in Base64.
public struct PlaceholderScanner: Sendable {
    /// A placeholder in some bytes.
    public struct Hit: Equatable, Sendable {
        /// Which one.
        public let index: Int
        /// Where it begins.
        public let start: Int
    }

    /// All placeholders, in the order of their secrets.
    public let placeholders: [[UInt8]]
    /// The length of the longest.
    public let longest: Int
    /// What all begin with: looking for it alone finds every placeholder in one pass.
    private let shared: [UInt8]
    private let lowercased: [[UInt8]]

    /// Finds these.
    public init(_ placeholders: [[UInt8]]) {
        self.placeholders = placeholders
        longest = placeholders.map(\.count).max() ?? 0
        lowercased = placeholders.map { $0.map(ASCII.lowercased) }
        var shared = placeholders.first ?? []
        for placeholder in placeholders {
            shared = Array(zip(shared, placeholder).prefix { $0 == $1 }.map(\.0))
        }
        self.shared = shared
    }

    /// Whether there is nothing to find.
    public var isEmpty: Bool { placeholders.isEmpty }

    /// All that are there as they are, by their place.
    public func hits(in bytes: UnsafeRawBufferPointer) -> [Hit] {
        guard bytes.count >= 16, !isEmpty else { return [] }
        var hits: [Hit] = []
        guard shared.count < 4 else {
            var position = 0
            while let start = ByteSearch.first(shared, in: bytes, from: position) {
                position = start + 1
                for (index, placeholder) in placeholders.enumerated() where bytes[start...].starts(with: placeholder) {
                    hits.append(Hit(index: index, start: start))
                    position = start + placeholder.count
                }
            }
            return hits
        }
        for (index, placeholder) in placeholders.enumerated() {
            var position = 0
            while let start = ByteSearch.first(placeholder, in: bytes, from: position) {
                hits.append(Hit(index: index, start: start))
                position = start + placeholder.count
            }
        }
        return hits.sorted { $0.start < $1.start }
    }

    /// All that are there as they are.
    public func hits(in bytes: [UInt8]) -> [Hit] { bytes.withUnsafeBytes { hits(in: $0) } }

    /// Which ones are there, as they are or percent-encoded.
    public func found(in bytes: UnsafeRawBufferPointer) -> Set<Int> {
        var found = Set(hits(in: bytes).map(\.index))
        if let decoded = Self.percentDecoded(bytes) { found.formUnion(hits(in: decoded).map(\.index)) }
        return found
    }

    /// Which ones are there, as they are or percent-encoded.
    public func found(in bytes: [UInt8]) -> Set<Int> { bytes.withUnsafeBytes { found(in: $0) } }

    /// Which ones are there when upper and lower case are the same, as in names of hosts and of header fields.
    public func foundIgnoringCase(in bytes: [UInt8]) -> Set<Int> {
        guard bytes.count >= 16 else { return [] }
        let text = (bytes.withUnsafeBytes { Self.percentDecoded($0) } ?? bytes).map(ASCII.lowercased)
        return text.withUnsafeBytes { text in
            Set(lowercased.indices.filter { ByteSearch.first(lowercased[$0], in: text) != nil })
        }
    }

    /// The bytes with each `%XX` as what it stands for; `nil` when there is none.
    static func percentDecoded(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        let percent = UInt8(ascii: "%")
        guard var next = ByteSearch.first(percent, in: bytes) else { return nil }
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { decoded, count in
            // Never longer than what it is made from. A loop over memory, since every byte of a body passes here.
            var position = 0
            count = 0
            while position < bytes.count {
                if position < next {
                    for byte in bytes[position..<next] {
                        decoded[count] = byte
                        count += 1
                    }
                    position = next
                }
                guard position < bytes.count else { break }
                if position + 2 < bytes.count, let high = ASCII.hexadecimal(bytes[position + 1]),
                    let low = ASCII.hexadecimal(bytes[position + 2])
                {
                    decoded[count] = high << 4 | low
                    position += 3
                } else {
                    decoded[count] = percent
                    position += 1
                }
                count += 1
                next = ByteSearch.first(percent, in: bytes, from: position) ?? bytes.count
            }
        }
    }
}

/// Looks for placeholders in bytes that come in parts, also where one is split between parts.
public struct StreamScanner: Sendable {
    private let scanner: PlaceholderScanner
    /// The end of what was seen, shorter than a placeholder of which every byte is encoded.
    private var tail: [UInt8] = []

    /// Looks for these.
    public init(_ scanner: PlaceholderScanner) { self.scanner = scanner }

    /// Which ones end in this part.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer) -> Set<Int> {
        guard !scanner.isEmpty, !bytes.isEmpty else { return [] }
        let reach = scanner.longest * 3 - 1
        var found: Set<Int> = []
        if !tail.isEmpty {
            let seam = tail + bytes.prefix(reach)
            found = scanner.found(in: seam)
        }
        found.formUnion(scanner.found(in: bytes))
        if bytes.count >= reach {
            tail = Array(bytes.suffix(reach))
        } else {
            tail = Array((tail + bytes).suffix(reach))
        }
        return found
    }
}
