import Glibc
import LinuxSystem
import SandboxState

/// Reads the log of a job from its two files, at once and while the newer one grows, which must come to the same. The input
/// is the length of the older file (2 bytes, little-endian), and both.
@c(LLVMFuzzerTestOneInput)
public func fuzzJobLog(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard count >= 2 else { return -1 }
    let older = input.dropFirst(2).prefix(Int(input[0]) | Int(input[1]) << 8)
    let newer = Array(input.dropFirst(2 + older.count))
    do {
        let path = try folder.get() + "/log"
        try write(Array(older), path + ".1")
        try write(newer, path)
        var whole = JobLogReader(path: path)
        let all = records(&whole)
        precondition(all.reduce(0) { $0 + $1.bytes.count } <= count, "more was read than is there")

        let half = newer.count / 2
        try write(Array(newer[..<half]), path)
        var growing = JobLogReader(path: path)
        var pieces = records(&growing)
        try Descriptor(opening: path, O_WRONLY | O_APPEND).write(Array(newer[half...]))
        pieces += records(&growing)
        precondition(pieces == all, "a log that grows is another than the whole")
    } catch { fatalError("files in memory: \(error)") }
    return 0
}

/// The records before the first that is damaged.
private func records(_ reader: inout JobLogReader) -> [JobLogReader.Record] {
    var records: [JobLogReader.Record] = []
    while let record = try? reader.record() { records.append(record) }
    return records
}

private func write(_ bytes: [UInt8], _ path: String) throws {
    try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC).write(bytes)
}

/// A folder in memory, removed at the end of the process.
private let folder = Result {
    let path = "/dev/shm/sandpiper-fuzz-\(getpid())"
    try FileTree.makeDirectory(path)
    atexit { try? FileTree.removeTree("/dev/shm/sandpiper-fuzz-\(getpid())") }
    return path
}
