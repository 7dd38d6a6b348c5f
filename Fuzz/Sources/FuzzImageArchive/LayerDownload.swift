import LinuxSystem

/// What stands here for a layer of a registry: an archive has none, and the real one would bring the network with it.
struct LayerDownload: Sendable {
    let name: String
    let file: File

    struct File: Sendable {
        let bytes: [UInt8]

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int? { nil }
    }
}
