@testable import RegistryParsers

/// Reads a file of settings and looks up what is set for a registry. The input is the registry's name, a byte of all ones,
/// and the document.
@c(LLVMFuzzerTestOneInput)
public func fuzzRegistryConfiguration(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let parts = UnsafeBufferPointer(start: bytes, count: count)
        .split(separator: 0xff, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return -1 }
    do {
        let configuration = try RegistryConfiguration(decoding: Array(parts[1]), path: "registries.json")
        let settings = configuration.settings(for: String(decoding: parts[0], as: UTF8.self))
        for mirror in settings.mirrors {
            precondition(WebAddress(mirror.text) == mirror, "an address changed")
            precondition(!mirror.target.contains("?"), "a mirror with a query")
        }
        if let file = settings.caCertificate { precondition(file.hasPrefix("/"), "a path that is not absolute") }
    } catch {
        precondition(!error.description.contains("\n"), "a message of several lines")
    }
    return 0
}
