import Glibc
import LinuxSystem
import NIOCore
import Testing

@testable import Supervisor

@Suite final class ConsoleLogTests {
    private let path = "/tmp/sandpiper-console-\(getpid())-\(UInt32.random(in: .min ... .max))"

    deinit {
        unlink(path)
        unlink(path + ".1")
    }

    @Test("a guest that prints without end takes two files of the limit and no more, and the end is kept")
    func bounded() async throws {
        let log = try ConsoleLog(path: path)
        for number in 0..<60_000 { await log.append(ByteBuffer(string: "line number \(number)\n")) }
        for file in [path, path + ".1"] { #expect(try FileTree.read(file).count <= ConsoleLog.limit) }
        #expect(await log.tail(lines: 1) == "line number 59999")
    }

    @Test("one piece larger than the limit is cut, not lost")
    func large() async throws {
        let log = try ConsoleLog(path: path)
        await log.append(ByteBuffer(repeating: UInt8(ascii: "a"), count: 3 * ConsoleLog.limit + 5))
        #expect(try FileTree.read(path).count == 5)
        #expect(try FileTree.read(path + ".1").count == ConsoleLog.limit)
    }

    @Test("the tail holds no control characters of the guest's")
    func printable() async throws {
        let log = try ConsoleLog(path: path)
        await log.append(ByteBuffer(string: "one\n\u{1b}[2Jtwo\u{7}\n"))
        #expect(await log.tail() == "one\n[2Jtwo")
    }
}
