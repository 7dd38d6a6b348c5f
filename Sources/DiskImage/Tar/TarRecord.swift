/// A tar archive without the contents of its files: with the layer's data file, which has these, it gives the archive
/// back byte for byte.
///
/// A record is a header and one zstd frame (RFC 8878) with a checksum and a window of at most 2^19 bytes. All numbers
/// are little-endian.
///
/// | offset | bytes | header |
/// |---|---|---|
/// | 0 | 8 | `tar-rec` and a line feed |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | zero |
/// | 16 | 8 | length of the archive |
///
/// The frame holds runs to its end. A run is literal bytes of the archive, perhaps none, and then content, perhaps
/// none, that lies in the data file. One of them is there, and content lies behind that of the runs before.
///
/// | offset | bytes | run |
/// |---|---|---|
/// | 0 | 8 | how many literal bytes there are, at most 65,536 |
/// | 8 | 8 | where the content begins in the data file |
/// | 16 | 8 | length of the content |
/// | 24 | … | the literal bytes |
///
/// The header is written last: what a killed process leaves is no record.
public enum TarRecord {
    static let headerSize = 24
    /// `tar-rec\n`.
    static let magic: UInt64 = 0x0a63_6572_2d72_6174
    static let version: UInt32 = 1
    static let runHeaderSize = 24
    static let maximumLiterals = 65_536
    static let windowLog: Int32 = 19
}
