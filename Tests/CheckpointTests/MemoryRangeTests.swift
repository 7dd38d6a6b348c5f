import Testing

@testable import Checkpoint

@Suite("A line of a process's memory") struct MemoryRangeTests {
    @Test("is read as the kernel writes it")
    func line() throws {
        let range = try #require(
            MemoryRange(
                line: "7f00aa000000-7f00aa002000 rw-s 00001000 fd:01 1234                       /tmp/a b (deleted)"))
        #expect(range.bounds == 0x7f00_aa00_0000..<0x7f00_aa00_2000)
        #expect(range.protection == 3)
        #expect(range.isShared)
        #expect(range.offset == 0x1000)
        #expect(range.device == "fd:01")
        #expect(range.inode == 1234)
        #expect(range.name == "/tmp/a b (deleted)")
        let anonymous = try #require(MemoryRange(line: "7f00aa000000-7f00aa002000 ---p 00000000 00:00 0 "))
        #expect(anonymous.protection == 0 && !anonymous.isShared && anonymous.name == "")
    }

    @Test(
        "is refused when it is anything else",
        arguments: [
            "", "a", "1-2", "2000-1000 rw-p 0 00:00 0", "1000-1000 rw-p 0 00:00 0", "g-h rw-p 0 00:00 0",
            "1000-2000 rw 0 00:00 0", "1000-2000 rw-p x 00:00 0", "1000-2000 rw-p 0 00:00 -1",
            "10000000000000000-20000000000000000 rw-p 0 00:00 0",
        ])
    func damaged(_ line: String) { #expect(MemoryRange(line: line[...]) == nil) }
}
