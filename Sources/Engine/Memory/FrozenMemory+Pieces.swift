import LinuxSystem

extension FrozenMemory {
    /// A part of the memory, and where its content is.
    public struct Piece: Sendable {
        /// The part, in bytes of the memory.
        public let range: Range<Int64>
        /// The file with its content.
        public let file: Descriptor
        /// Where that begins in the file.
        public let offset: Int64
    }

    /// The memory from its beginning to its end, as if it were one file.
    public var pieces: [Piece] {
        let files = files
        var start: Int64 = 0
        return parts.map { part in
            defer { start += part.length }
            return Piece(range: start..<start + part.length, file: files[part.file], offset: part.offset)
        }
    }
}
