import LinuxSystem

/// What stands here for a layer of a registry: an archive has none, and the real one would bring the network with it.
enum LayerDownload {
    var name: String { switch self {} }
    var file: LayerDownload { switch self {} }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int? {
        switch self {}
    }
}
