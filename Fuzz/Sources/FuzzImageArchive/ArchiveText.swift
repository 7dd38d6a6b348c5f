import FuzzInput
import OCI

/// An archive of images as a text in which digests and sizes are always right, so that a random change of one document
/// does not keep all others from being read.
///
/// The parts are parted by two bytes of all ones. The first line of a part is its name, the rest its content. `@2` stands
/// for the hexadecimal digits of the digest of part 2's content, `#2` for its length: of a part that comes later, or in
/// a name of the part itself. Parts are counted from 0.
struct ArchiveText {
    private struct Part {
        var name: [UInt8]
        var content: [UInt8]
        var digest: [UInt8] = []
    }

    private static let maximumParts = 10

    private var parts: [Part]

    init(_ text: some Collection<UInt8>) {
        parts = text.split(separator: [0xff, 0xff], maxSplits: Self.maximumParts - 1).map { part in
            let name = part.prefix { $0 != UInt8(ascii: "\n") }
            return Part(name: Array(name), content: Array(part.dropFirst(name.count + 1)))
        }
        for number in parts.indices.reversed() {
            parts[number].content = filled(parts[number].content, from: number + 1)
            parts[number].digest = Array(Digest.of(parts[number].content).hex.utf8)
            parts[number].name = filled(parts[number].name, from: number)
        }
    }

    /// The tar archive of all parts.
    var archive: [UInt8] {
        parts.flatMap { TarBytes.entry($0.name, $0.content) } + TarBytes.end
    }

    /// The text with its digests and sizes, as far as they are those of parts from the number `first` on.
    private func filled(_ text: [UInt8], from first: Int) -> [UInt8] {
        var filled: [UInt8] = []
        var rest = text[...]
        while let place = rest.firstIndex(where: { $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: "#") }) {
            filled += rest[..<place]
            let mark = rest[place]
            rest = rest[(place + 1)...]
            let number = rest.first.map { Int($0) - Int(UInt8(ascii: "0")) } ?? -1
            if number >= first, number < parts.count {
                let part = parts[number]
                filled += mark == UInt8(ascii: "@") ? part.digest : Array("\(part.content.count)".utf8)
                rest.removeFirst()
            } else {
                filled.append(mark)
            }
        }
        filled += rest
        return filled
    }
}
