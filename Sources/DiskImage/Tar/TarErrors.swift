import Tar

extension DiskImageError {
    /// What the tar code found, as an error about a layer.
    init(_ error: TarError) {
        self =
            switch error {
            case .malformed(let reason): .malformed(reason, offset: 0)
            case .truncated: .truncated(inside: "an entry")
            case .entry(let name, let reason): .entry(name, reason)
            case .limit(let what, let name?): .layerLimit(what, name: name)
            case .limit(let what, nil): .limit(what)
            }
    }
}

extension EntryPath {
    /// Cleans the name of a layer's entry, see ``clean(_:into:)``.
    static func cleanEntry(_ raw: UnsafeRawBufferPointer, into path: inout [UInt8]) throws(DiskImageError) {
        do throws(TarError) { try clean(raw, into: &path) } catch { throw DiskImageError(error) }
    }
}

extension PaxAttributes {
    /// Adds the records of one header of a layer, see ``add(_:sparseSegments:)``.
    mutating func add(_ records: UnsafeRawBufferPointer, limits: LayerLimits) throws(DiskImageError) {
        do throws(TarError) { try add(records, sparseSegments: limits.sparseSegments) } catch {
            throw DiskImageError(error)
        }
    }
}
