import AgentProtocol
import Testing

@Suite("Frames")
struct FrameTests {
    private static let frames: [Frame] = [
        Frame(.shutdown), Frame(.data, channel: .error, stream: 7, payload: Array(0...255)),
        Frame(.start, stream: .max, payload: [UInt8](repeating: 9, count: 100_000)), Frame(.end, stream: 1),
    ]

    @Test("a header is laid out as documented")
    func layout() {
        var bytes: [UInt8] = [0xAA]
        FrameHeader(kind: .data, channel: .error, stream: 0x0403_0201, length: 0x0102).encode(into: &bytes)
        #expect(bytes == [0xAA, 0x02, 0x01, 0, 0, 16, 2, 0, 0, 1, 2, 3, 4])
    }

    @Test("frames come out whole however the bytes arrive", arguments: [1, 2, 11, 12, 13, 4096, 1_000_000])
    func pieces(_ size: Int) throws {
        let wire = Self.frames.flatMap(\.encoded)
        var decoder = FrameDecoder()
        var received: [Frame] = []
        for start in stride(from: 0, to: wire.count, by: size) {
            decoder.append(wire[start..<min(start + size, wire.count)])
            while let frame = try decoder.next() { received.append(frame) }
        }
        #expect(received == Self.frames)
        #expect(decoder.buffered == 0)
    }

    @Test("bytes that do not lie together in memory are taken too")
    func lazyBytes() throws {
        var decoder = FrameDecoder()
        decoder.append(Self.frames[1].encoded.lazy.map { $0 })
        #expect(try decoder.next() == Self.frames[1])
    }

    @Test("a payload length beyond the limit is an error and not an allocation")
    func tooLong() {
        var decoder = FrameDecoder()
        decoder.append([0, 0, 0, 0x40, 33, 0, 0, 0, 1, 0, 0, 0])
        #expect(throws: ProtocolError.payloadTooLong(0x4000_0000)) { try decoder.next() }
        decoder = FrameDecoder()
        decoder.append([1, 0, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0])
        #expect(throws: ProtocolError.payloadTooLong(262_145)) { try decoder.next() }
    }

    @Test("an unknown kind, an unknown channel and used reserved bits are errors")
    func malformed() {
        for (header, error): ([UInt8], ProtocolError) in [
            ([0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0], .unknownKind(99)),
            ([0, 0, 0, 0, 16, 3, 0, 0, 0, 0, 0, 0], .badField("channel")),
            ([0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0], .badField("reserved")),
        ] {
            var decoder = FrameDecoder()
            decoder.append(header)
            #expect(throws: error) { try decoder.next() }
        }
    }

    @Test("random bytes are refused without a trap and without keeping more than was given")
    func randomBytes() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<2_000 {
            var decoder = FrameDecoder()
            var given = 0
            for _ in 0..<8 {
                let bytes = generator.bytes(Int.random(in: 0...40, using: &generator))
                given += bytes.count
                decoder.append(bytes)
                do { while try decoder.next() != nil {} } catch { break }
            }
            #expect(decoder.buffered <= given)
        }
    }
}
