import FuzzInput

/// Reads what a program needs to start. However malformed it is, that must be names, and not more than were there.
@c(LLVMFuzzerTestOneInput)
public func fuzzELF(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let program = ELFProgram(MemoryFile.make(Array(UnsafeBufferPointer(start: bytes, count: count))))
    // An entry of the dynamic section, which names a library, has 16 bytes.
    precondition(program.libraries.count <= count / 16, "more libraries than entries")
    for name in program.libraries + [program.loader].compactMap(\.self) {
        precondition(!name.utf8.contains(0) && name.unicodeScalars.count < 4096, "an impossible name")
    }
    return 0
}
