import AgentProtocol
import FileProtocol
import Testing

@Suite("Messages of the file protocol")
struct FileMessageTests {
    private static let path = GuestPath("/a/ü") ?? .root
    private static let name = Array("user.note".utf8)
    private static let status = FileStatus(
        kind: .characterDevice, mode: 0o4755, owner: 1, group: 2, size: 3, allocated: 4, links: 5, inode: 6, device: 7,
        deviceNumber: (8, 9), accessed: FileTime(seconds: -1, nanoseconds: 5), modified: FileTime(seconds: .max),
        changed: FileTime(seconds: .min, nanoseconds: 999_999_999))

    static let requests: [FileRequest] = [
        .status(path, followsLinks: true), .fileSystem(path), .openDirectory(.root), .nextEntries(7),
        .openFile(path, offset: 5, length: .max), .openArchive(path, name: [46], followsLinks: false),
        .nextBytes(1, 4096), .createFile(path, WriteOptions(.keep, mode: 0o600, offset: 99, synchronizes: true)),
        .extractArchive(path, ExtractOptions(keepsOwners: false, changesRoot: true)), .write(3, [1, 2, 3]), .finish(3),
        .close(3), .makeDirectory(path, mode: 0o1777, parents: true), .move(path, to: .root, replaces: true),
        .copy(path, to: .root, replaces: false), .remove(path, recursive: true), .truncate(path, length: 1 << 40),
        .link(path, newPath: .root), .symbolicLink(target: [0xff, 0x2f], path), .readLink(path), .setMode(path, 0o7777),
        .setOwner(path, owner: "nobody", group: "", followsLinks: false),
        .setTimes(path, accessed: nil, modified: FileTime(seconds: 1), followsLinks: true),
        .attribute(path, name: name, followsLinks: true), .attributeNames(path, followsLinks: false),
        .setAttribute(path, name: name, value: [0, 1], .replace, followsLinks: true),
        .removeAttribute(path, name: name, followsLinks: true), .watch(path, recursive: true), .nextEvents(9),
    ]

    static let responses: [FileResponse] = [
        .done, .status(status), .entries([]), .entries([DirectoryEntry(name: [0xff], status: status)]), .bytes([1]),
        .names([name]), .failed(FileFailure(code: 2, message: "cannot")),
        .fileSystem(
            FileSystemStatus(size: 1, free: 2, available: 3, files: 4, freeFiles: 5, isReadOnly: true)),
        .events([
            .created([97]), .modified([]), .attributesChanged([97, 47, 98]), .removed([97]),
            .moved(from: [97], to: [98]),
            .overflow, .ended,
        ]),
    ]

    @Test("a request means the same after it went over the wire", arguments: requests)
    func request(_ request: FileRequest) throws { #expect(try FileRequest(request.payload) == request) }

    @Test("a response means the same after it went over the wire", arguments: responses)
    func response(_ response: FileResponse) throws { #expect(try FileResponse(response.payload) == response) }

    @Test("a message that is cut short, or goes on after its end, is refused", arguments: requests)
    func cut(_ request: FileRequest) {
        let payload = request.payload
        for count in 0..<payload.count {
            #expect(throws: ProtocolError.self) { try FileRequest(Array(payload.prefix(count))) }
        }
        #expect(throws: ProtocolError.self) { try FileRequest(payload + [0]) }
    }

    @Test(
        "a name that could be a path is no entry",
        arguments: ["", ".", "..", "a/b", "a\0", String(repeating: "n", count: 256)])
    func entryName(_ name: String) {
        let entry = FileResponse.entries([DirectoryEntry(name: Array(name.utf8), status: Self.status)])
        #expect(throws: ProtocolError.self) { try FileResponse(entry.payload) }
    }

    @Test("an event's path leads nowhere else", arguments: ["/a", "a//b", "../a", "a/..", "a/", "."])
    func eventPath(_ path: String) {
        #expect(throws: ProtocolError.self) {
            try FileResponse(FileResponse.events([.created(Array(path.utf8))]).payload)
        }
    }

    @Test("frames come out of any pieces as they went in, and a length out of range is refused")
    func frames() throws {
        let frames = (Self.requests.map(\.payload) + [[UInt8](repeating: 1, count: 1_048_572)]).enumerated().map {
            FileFrame(id: UInt32($0.offset), payload: $0.element)
        }
        var bytes: [UInt8] = []
        for frame in frames { bytes += try frame.encoded() }
        var decoder = FileFrameDecoder()
        var decoded: [FileFrame] = []
        for start in stride(from: 0, to: bytes.count, by: 4099) {
            decoder.append(bytes[start..<min(start + 4099, bytes.count)])
            while let frame = try decoder.next() { decoded.append(frame) }
        }
        #expect(decoded == frames)
        #expect(throws: ProtocolError.self) {
            try FileFrame(id: 1, payload: [UInt8](repeating: 0, count: 1_048_573)).encoded()
        }
        for length in [[0, 0, 0, 0], [4, 0, 0, 0], [1, 0, 16, 0]] as [[UInt8]] {
            var decoder = FileFrameDecoder()
            decoder.append(length)
            #expect(throws: ProtocolError.self) { try decoder.next() }
        }
    }

    @Test("random bytes are refused or understood, and never more than that")
    func random() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...80)).map { _ in UInt8.random(in: 0...9, using: &generator) }
            if let request = try? FileRequest(bytes) { #expect(request.payload == bytes) }
            if let response = try? FileResponse(bytes) { #expect(response.payload == bytes) }
        }
    }
}
