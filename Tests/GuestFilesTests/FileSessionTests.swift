import FileProtocol
import Glibc
import GuestFiles
import LinuxSystem
import Testing

@Suite("A session with the files of a sandbox", .timeLimit(.minutes(10)))
struct FileSessionTests {
    private func path(_ text: String) throws -> GuestPath { try GuestPath(checking: text) }

    @Test("what is written is read, whole and in ranges")
    func roundTrip() async throws {
        let served = try ServedFiles()
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
        try await served.session.write(bytes, to: try path("/file"))
        #expect(try await served.session.readAll(try path("/file")) == bytes)
        var part: [UInt8] = []
        for try await piece in served.session.read(try path("/file"), 1_000_001..<1_700_000) { part += piece }
        #expect(part.elementsEqual(bytes[1_000_001..<1_700_000]))
        await #expect(throws: GuestFilesError.tooLong(limit: 1000)) {
            try await served.session.readAll(try path("/file"), limit: 1000)
        }
        await served.session.close()
    }

    @Test("a failure has the sandbox's error number and says what was attempted")
    func failure() async throws {
        let served = try ServedFiles()
        do {
            _ = try await served.session.status(try path("/nothing"))
            Issue.record("there is nothing")
        } catch GuestFilesError.failed(let code, let message) {
            #expect(code == ENOENT && message.contains("/nothing"))
        }
        #expect(try await !served.session.exists(try path("/nothing/below")))
        await served.session.close()
    }

    @Test("each operation reaches the files")
    func operations() async throws {
        let served = try ServedFiles()
        let session = served.session
        try await session.makeDirectory(try path("/a/b"), mode: 0o700, parents: true)
        try await session.write(Array("1".utf8), to: try path("/a/b/one"))
        try await session.copy(try path("/a/b/one"), to: try path("/a/two"))
        try await session.move(try path("/a/two"), to: try path("/a/three"))
        try await session.link(try path("/a/three"), at: try path("/a/four"))
        try await session.makeSymbolicLink(try path("/a/link"), to: Array("three".utf8))
        #expect(try await session.readLink(try path("/a/link")) == Array("three".utf8))
        try await session.setMode(try path("/a/three"), 0o711)
        try await session.setTimes(try path("/a/three"), modified: FileTime(seconds: 12, nanoseconds: 34))
        try await session.setAttribute("user.note", to: [1, 2], of: try path("/a/three"))
        #expect(try await session.attribute("user.note", of: try path("/a/four")) == [1, 2])
        #expect(try await session.attributeNames(of: try path("/a/four")) == ["user.note"])
        try await session.removeAttribute("user.note", of: try path("/a/four"))
        try await session.truncate(try path("/a/three"), to: 10)
        let status = try await session.status(try path("/a/link"))
        #expect(status.mode == 0o711 && status.size == 10 && status.links == 2)
        let names = try await session.list(try path("/a")).map { String(decoding: $0.name, as: UTF8.self) }
        #expect(names == ["b", "four", "link", "three"])
        #expect(try await session.fileSystem(of: .root).size > 0)
        try await session.remove(try path("/a"), recursive: true)
        #expect(try await session.list(.root).isEmpty)
        await session.close()
    }

    @Test("while one reader holds a long file open, others go on; a reader that stops leaves nothing open")
    func interleaving() async throws {
        let served = try ServedFiles()
        try served.shell("truncate -s 100M root/long; echo short >root/short")
        for _ in 0..<400 {
            for try await _ in served.session.read(try path("/long")) {
                #expect(try await served.session.readAll(try path("/short")) == Array("short\n".utf8))
                break
            }
        }
        await served.session.close()
    }

    @Test("a hundred tasks use one session at once")
    func concurrency() async throws {
        let served = try ServedFiles()
        let session = served.session
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask {
                    let path = try GuestPath(checking: "/file\(number)")
                    let bytes = [UInt8](repeating: UInt8(number), count: 10_000 * number)
                    try await session.write(bytes, to: path)
                    #expect(try await session.readAll(path) == bytes)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await session.list(.root).count == 100)
        await session.close()
    }

    @Test("a session whose server goes, or that was closed, fails what waits and what comes later")
    func end() async throws {
        let served = try ServedFiles()
        _ = try await served.session.status(.root)
        await served.session.close()
        await #expect(throws: GuestFilesError.self) { try await served.session.status(.root) }
    }

    @Test(
        "responses that make no sense end the session",
        arguments: [
            [5, 0, 0, 0, 9, 0, 0, 0, 1], [255, 255, 255, 255, 0], [5, 0, 0, 0, 1, 0, 0, 0, 77], [1, 0, 0, 0, 0],
        ])
    func nonsense(_ bytes: [UInt8]) async throws {
        let session = FileSession(over: Babble(bytes: bytes))
        do {
            _ = try await session.status(.root)
            Issue.record("this is no status")
        } catch GuestFilesError.misbehaved {}
    }

    @Test("256 MiB go in and out in constant memory")
    func throughput() async throws {
        let served = try ServedFiles()
        let clock = ContinuousClock()
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        let (pieces, feed) = AsyncStream<[UInt8]>.makeStream()
        for _ in 0..<256 { feed.yield(piece) }
        feed.finish()
        let written = try await clock.measure { try await served.session.write(pieces, to: try path("/large")) }
        var count = 0
        let read = try await clock.measure {
            for try await piece in served.session.read(try path("/large")) { count += piece.count }
        }
        #expect(count == 256 << 20)
        print("256 MiB written in \(written), read in \(read)")
        await served.session.close()
    }
}

/// A server that says the same whatever it is asked.
private struct Babble: ByteStream {
    let bytes: [UInt8]
    let received: AsyncStream<[UInt8]>
    private let feed: AsyncStream<[UInt8]>.Continuation

    init(bytes: [UInt8]) {
        self.bytes = bytes
        (received, feed) = AsyncStream<[UInt8]>.makeStream()
    }

    func send(_ request: [UInt8]) async throws { feed.yield(bytes) }
    func finish() async { feed.finish() }
}
