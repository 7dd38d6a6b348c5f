import AgentProtocol
import CAgent
import Glibc
import Testing

@testable import AgentCore

/// A mount's messages, with a socket that keeps messages apart in the place of the kernel's device.
@Suite struct HostMountTests {
    private let kernel: Descriptor
    private let mount: HostMount

    init() throws {
        var ends: (Int32, Int32) = (-1, -1)
        _ = try withUnsafeMutableBytes(of: &ends) { ends in
            try AgentError.check("make sockets") {
                socketpair(
                    AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, ends.baseAddress?.assumingMemoryBound(to: Int32.self))
            }
        }
        kernel = Descriptor(ends.0)
        let device = Descriptor(ends.1)
        try kernel.setNonblocking()
        try device.setNonblocking()
        mount = HostMount(stream: 1, target: "/w", device)
    }

    private static func answer(_ length: Int, _ fill: UInt8) -> [UInt8] {
        var writer = ByteWriter()
        writer.unsigned32(UInt32(length))
        writer.unsigned32(0)
        writer.unsigned64(7)
        return writer.bytes + [UInt8](repeating: fill, count: length - 16)
    }

    private func delivered() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 200_000)
        let count = bytes.withUnsafeMutableBytes { read(kernel.number, $0.baseAddress, $0.count) }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }

    @Test(
        "answers reach the kernel whole, however they are cut on their way",
        arguments: [1, 3, 4, 15, 16, 17, 1000, 70_000])
    func cuts(size: Int) {
        let answers = [16, 17, 40, 5000, 16, 60_000].enumerated().map { Self.answer($1, UInt8($0)) }
        let bytes = answers.flatMap(\.self)
        var got: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            _ = mount.receive(Array(bytes[start..<min(start + size, bytes.count)]))
            while let answer = delivered() { got.append(answer) }
        }
        #expect(got == answers)
        #expect(!mount.isBroken)
    }

    @Test("credit comes back in large pieces, and all of it but one such piece")
    func credit() {
        var back: UInt32 = 0
        for _ in 0..<40 {
            back += mount.receive(Self.answer(10_000, 1))
            _ = delivered()
        }
        #expect(back > 400_000 - 131_072 && back <= 400_000)
    }

    @Test(
        "an answer that says it is shorter than its head, or endless, breaks the mount",
        arguments: [0, 15, 1 << 21, .max] as [UInt32])
    func broken(length: UInt32) {
        var writer = ByteWriter()
        writer.unsigned32(length)
        _ = mount.receive(writer.bytes + [UInt8](repeating: 0, count: 60))
        #expect(mount.isBroken)
        #expect(delivered() == nil)
    }

    @Test("requests are sent within the host's credit, a long one in pieces")
    func requests() throws {
        let table = try LiveTable()
        #expect(!mount.isReady)
        let long = [UInt8](repeating: 9, count: 100_000)
        #expect(long.withUnsafeBytes { write(kernel.number, $0.baseAddress, $0.count) } == long.count)
        mount.becameReadable()
        mount.send(to: table.port)
        try table.settle()
        #expect(table.takeReceived() == [.data(stream: 1, .output, long)])
        // Nothing more is there.
        mount.send(to: table.port)
        #expect(!mount.isReady)
        mount.close()
        #expect(mount.hasEnded)
    }
}
