/// Reads the first bytes of a connection as an interceptor does. What is whole stays the same whatever follows it, and no
/// beginning of it is another.
@c(LLVMFuzzerTestOneInput)
public func fuzzClientHello(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let hello = try? ClientHello.read(input) else { return 0 }
    precondition((try? ClientHello.read(input + [1, 2, 3])) == hello, "bytes that follow a ClientHello changed it")
    if let name = hello.serverName { precondition(!name.isEmpty && name.utf8.count <= 255, "an empty or long name") }
    for length in [count / 2, count - 1] {
        let part = try? ClientHello.read(input.prefix(length))
        precondition(part == nil || part == .some(nil) || part == hello, "a part of a ClientHello is another")
    }
    return 0
}
