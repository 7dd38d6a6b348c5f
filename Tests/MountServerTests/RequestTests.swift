import Glibc
import Testing

@testable import MountServer

@Suite("Requests of a guest's kernel")
struct RequestTests {
    /// Every request that has a number here, and a few that have not.
    private static let operations = Array(0..<60 as Range<UInt32>) + [4096, .max]

    @Test("a message shorter than its request says fails and does no harm", arguments: operations)
    func shortMessage(_ operation: UInt32) throws {
        let guest = try TestGuest(try TestDirectory())
        for count in 0..<100 {
            for filling in [0, 0xff, UInt8(ascii: "a")] {
                let body = [UInt8](repeating: filling, count: count)
                if let reply = try guest.exchange(operation, 1, body) {
                    #expect((0...4095).contains(reply.error))
                    #expect(reply.error == 0 || reply.body.isEmpty)
                }
            }
        }
        let destroy = KernelProtocol.Operation.destroy.rawValue
        // Still well.
        if operation == destroy { _ = try guest.request(.initialize, 0, TestGuest.initialization) }
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == 0)
    }

    @Test("random bytes behind a good header do no harm")
    func randomMessages() throws {
        let directory = try TestDirectory()
        try directory.write("f", "content")
        let guest = try TestGuest(directory)
        var chance = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<200, using: &chance)
            let mask: UInt8 = Bool.random(using: &chance) ? 0x07 : 0xff
            let body = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &chance) & mask }
            let operation = UInt32.random(in: 0..<60, using: &chance)
            if operation == KernelProtocol.Operation.destroy.rawValue { continue }
            _ = try guest.exchange(operation, UInt64.random(in: 0..<4, using: &chance), body)
        }
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == 0)
    }

    @Test("a message without a whole header, or of another length, ends the connection")
    func badHeader() throws {
        let guest = try TestGuest(try TestDirectory())
        let good = TestGuest.message(3, unique: 1, node: 1, TestGuest.zeros(16))
        for message in [[], Array(good.prefix(39)), good + [0], Array(good.dropLast())] {
            #expect(throws: ErrorNumber(EPROTO)) { try message.withUnsafeBytes { try guest.service.handle($0) } }
        }
    }

    @Test(
        "lengths in a stream that no message can have end the connection",
        arguments: [0, 39, 1 << 21, .max] as [UInt32])
    func badLength(_ length: UInt32) {
        let input = IncomingMessages(TestGuest.bytes(length) + TestGuest.zeros(100))
        #expect(throws: ErrorNumber(EPROTO)) { try input.next() }
    }

    @Test("messages are found in a stream wherever its pieces end")
    func pieces() throws {
        let one = TestGuest.message(3, unique: 1, node: 1, TestGuest.zeros(16))
        let other = TestGuest.message(1, unique: 2, node: 1, TestGuest.text("name"))
        for end in 0..<one.count + other.count {
            let input = IncomingMessages(Array((one + other).prefix(end)))
            var found: [[UInt8]] = []
            while let message = try input.next() { found.append(Array(message)) }
            #expect(found == (end >= one.count ? [one] : []))
            #expect(input.rest.count == (end >= one.count ? end - one.count : end))
        }
    }

    @Test(
        "a name that could lead elsewhere is refused",
        arguments: ["", ".", "..", "a/b", "/etc", "../x", "a/../../b", "/"])
    func badName(_ name: String) throws {
        let directory = try TestDirectory()
        try directory.write("f", "x")
        let guest = try TestGuest(directory)
        let file = try guest.lookUp("f")
        let handle = TestGuest.bytes(file)
        let text = TestGuest.text(name)
        let requests: [(KernelProtocol.Operation, [UInt8])] = [
            (.lookup, text), (.unlink, text), (.removeDirectory, text),
            (.makeDirectory, TestGuest.bytes(UInt32(0o755), TestGuest.umask) + text),
            (.makeNode, TestGuest.bytes(UInt32(0o100644), UInt32(0), TestGuest.umask, UInt32(0)) + text),
            (.create, TestGuest.bytes(O_RDWR, UInt32(0o644), TestGuest.umask, UInt32(0)) + text),
            (.symbolicLink, text + TestGuest.text("target")), (.link, handle + text),
            (.rename, TestGuest.bytes(UInt64(1)) + TestGuest.text("f") + text),
            (.rename, TestGuest.bytes(UInt64(1)) + text + TestGuest.text("g")),
            (.renameWithFlags, TestGuest.bytes(UInt64(1), UInt32(2), UInt32(0)) + TestGuest.text("f") + text),
        ]
        for (operation, body) in requests {
            #expect(try guest.request(operation, 1, body).error == EINVAL, "\(operation)")
        }
        #expect(try directory.text("f") == "x")
    }

    @Test("names are as long as the kernel's")
    func longName() throws {
        let guest = try TestGuest(try TestDirectory())
        let long = String(repeating: "n", count: 256)
        #expect(try guest.request(.lookup, 1, TestGuest.text(long)).error == ENAMETOOLONG)
        #expect(try guest.request(.lookup, 1, TestGuest.text(String(long.dropLast()))).error == ENOENT)
        #expect(try guest.request(.lookup, 1, Array(long.utf8)).error == EINVAL, "without NUL")
    }

    @Test("nothing is served before the versions have been agreed upon")
    func initialization() throws {
        let guest = try TestGuest(try TestDirectory(), initializes: false)
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == EPROTO)
        let old = TestGuest.bytes(UInt32(7), UInt32(12), UInt32(0), UInt32(0))
        #expect(try guest.request(.initialize, 0, old).error == EPROTO)
        // A newer kernel learns which version it should speak, and asks again.
        let newer = try guest.request(.initialize, 0, TestGuest.bytes(UInt32(8), UInt32(0), UInt32(0), UInt32(0)))
        #expect(try newer.error == 0 && newer.number(at: 0, UInt32.self) == 7)
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == EPROTO)
        let reply = try guest.request(.initialize, 0, TestGuest.initialization)
        #expect(reply.body.count == 64)
        #expect(try reply.number(at: 20, UInt32.self) == 1 << 20, "most that is written at once")
        let features = KernelProtocol.Features(rawValue: UInt64(try reply.number(at: 12, UInt32.self)))
        #expect(features == .wanted)
        #expect(!features.contains(.init(rawValue: 1 << 16)), "no write-back cache")
        #expect(features.isDisjoint(with: .init(rawValue: 1 << 1 | 1 << 10)), "locks are the guest's own")
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == 0)
    }

    @Test("what is not done is said so", arguments: [25, 31, 32, 33, 34, 37, 39, 40, 48, 49, 50, 51, 99])
    func unknown(_ operation: UInt32) throws {
        let guest = try TestGuest(try TestDirectory())
        #expect(try guest.exchange(operation, 1, TestGuest.zeros(100))?.error == ENOSYS)
    }

    @Test("options are read from a command line")
    func options() throws {
        let options = try MountOptions(arguments: [
            "--read-only", "--host-owner", "1000:100", "--guest-owner", "5:6", "--size-limit", "4096",
            "--cache-seconds",
            "60", "--name", "volume x",
        ])
        #expect(options.readOnly && options.hostUser == 1000 && options.hostGroup == 100)
        #expect(options.guestUser == 5 && options.guestGroup == 6)
        #expect(options.sizeLimit == 4096 && options.cacheSeconds == 60 && options.name == "volume x")
        for wrong in [
            ["--what"], ["--name"], ["--host-owner", "1"], ["--size-limit", "-1"], ["--cache-seconds", "x"],
        ] {
            #expect(throws: MountOptions.UsageError.self) { try MountOptions(arguments: wrong) }
        }
    }
}
