import AgentProtocol
import Testing

@Suite("Messages")
struct MessageTests {
    static let configuration = MachineConfiguration(
        entropy: Array(0..<64), wallClock: 1_764_000_000_123_456_789, hostName: "box", machineID: "0123456789abcdef",
        mac: [2, 0, 0, 0, 0, 1], addresses: ["192.0.2.7/24", "2001:db8::7/64"], imageDisk: "i", upperDisk: "u",
        mounts: [.init(type: "tmpfs", source: "tmpfs", target: "/mnt", options: "size=1m", readOnly: true)],
        environment: ["A=1", "B=ü"], limits: .init(processes: 7, openFiles: 9),
        trust: .init(
            certificate: "-----BEGIN", certificatePath: "/etc/x/ca.pem", bundlePath: "/etc/x/b.pem",
            bundles: ["/etc/ssl/cert.pem", "/b"], sourceDirectories: ["/usr/local/share"], fallbackBundle: "f"))
    static let confirmation = AgentProtocol.Confirmation(
        hostName: "box", machineID: "0123456789abcdef", bootID: "01234567-89ab-cdef-0123-456789abcdef",
        mac: [2, 0, 0, 0, 0, 1], wallClock: 1_764_000_000_223_456_789,
        addresses: ["192.0.2.7/24", "2001:db8::7/64"])
    static let specification = ProcessSpecification(
        arguments: ["sh", "-c", ""], environment: ["X=y"], workingDirectory: "/srv", makesWorkingDirectory: true,
        user: "alice:devs", terminal: TerminalSize(rows: 24, columns: 80), takesInput: true,
        resourceLimits: [.init(resource: 7, soft: 10, hard: .max)], timeout: 1500)

    static let hostMessages: [HostMessage] = [
        .configure(configuration), .start(stream: 1, specification),
        .start(stream: .max, ProcessSpecification(arguments: ["true"])),
        .data(stream: 2, [1, 2, 3]), .data(stream: 2, []), .end(stream: 3), .credit(stream: 4, .output, 5),
        .credit(stream: 4, .error, .max), .signal(stream: 5, 15), .resize(stream: 6, .init(rows: 1, columns: 65535)),
        .setClock(1_764_000_000_123_456_789), .shutdown(graceMilliseconds: 9), .measure,
        .freeze(writesDisk: true), .freeze(writesDisk: false),
        .thaw(Thawing(isNew: true, isElsewhere: false, configuration)),
        .thaw(Thawing(isNew: false, isElsewhere: true, configuration)),
    ]
    static let guestMessages: [GuestMessage] = [
        .ready(version: 1), .configured(confirmation), .refused("no disk"), .started(stream: 1, pid: 42),
        .failed(stream: 1, StartFailure(.notFound, "cannot run x")), .data(stream: 1, .output, [0]),
        .data(stream: 1, .error, [255]), .end(stream: 1, .output), .end(stream: 1, .error), .credit(stream: 1, 9),
        .exited(stream: 1, ExitStatus(.code(255))), .exited(stream: 1, ExitStatus(.signal(9), timedOut: true)),
        .stopped, .frozen, .thawed(confirmation),
    ]

    @Test("a message of the host comes back as it was", arguments: hostMessages)
    func hostRoundTrip(_ message: HostMessage) throws {
        #expect(try HostMessage(message.frame()) == message)
    }

    @Test("a message of the agent comes back as it was", arguments: guestMessages)
    func guestRoundTrip(_ message: GuestMessage) throws {
        #expect(try GuestMessage(message.frame()) == message)
    }

    @Test("no side takes the other side's messages")
    func directions() throws {
        for message in Self.guestMessages {
            switch message {
            case .data, .end, .credit: continue
            default: #expect(throws: ProtocolError.self) { try HostMessage(message.frame()) }
            }
        }
        for message in Self.hostMessages {
            switch message {
            case .data, .end, .credit: continue
            default: #expect(throws: ProtocolError.self) { try GuestMessage(message.frame()) }
            }
        }
    }

    @Test("a payload that ends early or goes on too long is refused", arguments: hostMessages)
    func wrongLength(_ message: HostMessage) throws {
        let frame = try message.frame()
        if case .data = message { return }
        var longer = frame
        longer.payload.append(0)
        #expect(throws: ProtocolError.self) { try HostMessage(longer) }
        for length in 0..<frame.payload.count {
            var shorter = frame
            shorter.payload = Array(frame.payload[..<length])
            #expect(throws: ProtocolError.self) { try HostMessage(shorter) }
        }
    }

    @Test("stream 0 is the machine's and every other stream a process's")
    func streams() {
        #expect(throws: ProtocolError.badField("stream")) { try HostMessage(Frame(.end, stream: 0)) }
        #expect(throws: ProtocolError.badField("stream")) { try HostMessage(Frame(.shutdown, stream: 1)) }
        #expect(throws: ProtocolError.badField("stream")) { try GuestMessage(Frame(.stopped, stream: 1)) }
    }

    @Test("bytes on a channel that does not carry them are refused")
    func channels() {
        #expect(throws: ProtocolError.badField("channel")) {
            try HostMessage(Frame(.data, channel: .output, stream: 1))
        }
        #expect(throws: ProtocolError.badField("channel")) { try HostMessage(Frame(.end, channel: .error, stream: 1)) }
        #expect(throws: ProtocolError.badField("channel")) {
            try GuestMessage(Frame(.data, channel: .input, stream: 1))
        }
        #expect(throws: ProtocolError.badField("channel")) {
            try HostMessage(Frame(.credit, channel: .input, stream: 1, payload: [1, 0, 0, 0]))
        }
    }

    @Test("text with NUL or broken UTF-8 is refused")
    func text() {
        for bytes: [UInt8] in [[0x61, 0, 0x62], [0xC3], [0xED, 0xA0, 0x80], [0xFF]] {
            let payload = [UInt8(bytes.count), 0, 0, 0] + bytes
            #expect(throws: ProtocolError.badField("string")) { try GuestMessage(Frame(.refused, payload: payload)) }
        }
    }

    @Test("a count that promises more than is there costs nothing")
    func hugeCount() {
        let frame = Frame(.start, stream: 1, payload: [255, 255, 255, 255])
        #expect(throws: ProtocolError.truncated) { try HostMessage(frame) }
    }

    @Test("too little or too much entropy is refused", arguments: [0, 31, 513])
    func entropy(_ count: Int) throws {
        var configuration = Self.configuration
        configuration.entropy = [UInt8](repeating: 1, count: count)
        let frame = try HostMessage.configure(configuration).frame()
        #expect(throws: ProtocolError.badField("entropy")) { try HostMessage(frame) }
    }

    @Test("a hardware address that is not six bytes is refused", arguments: [0, 5, 7])
    func mac(_ count: Int) throws {
        var configuration = Self.configuration
        configuration.mac = [UInt8](repeating: 2, count: count)
        let frame = try HostMessage.configure(configuration).frame()
        #expect(throws: ProtocolError.badField("mac")) { try HostMessage(frame) }
    }

    @Test("a confirmation of everything confirms")
    func confirmed() {
        #expect(Self.confirmation.confirms(Self.configuration) == nil)
    }

    /// One thing that a machine confirms wrongly.
    enum Flaw: CaseIterable {
        case hostName, machineID, mac, addresses, noBootID, upperCaseBootID, longBootID, earlyClock, lateClock

        func apply(to confirmation: inout AgentProtocol.Confirmation) {
            switch self {
            case .hostName: confirmation.hostName = "other"
            case .machineID: confirmation.machineID = ""
            case .mac: confirmation.mac = [2, 0, 0, 0, 0, 2]
            case .addresses: confirmation.addresses = []
            case .noBootID: confirmation.bootID = ""
            case .upperCaseBootID: confirmation.bootID = "01234567-89AB-cdef-0123-456789abcdef"
            case .longBootID: confirmation.bootID += "-"
            case .earlyClock: confirmation.wallClock -= 100_000_001
            case .lateClock: confirmation.wallClock += 121_000_000_000
            }
        }
    }

    @Test("a machine that is not all of what it was told to be does not confirm", arguments: Flaw.allCases)
    func unconfirmed(_ flaw: Flaw) {
        var confirmation = Self.confirmation
        flaw.apply(to: &confirmation)
        #expect(confirmation.confirms(Self.configuration) != nil)
    }

    @Test("a data message larger than the wire allows is not made")
    func tooMuchData() {
        let bytes = [UInt8](repeating: 0, count: FrameHeader.maximumData + 1)
        #expect(throws: ProtocolError.payloadTooLong(UInt32(bytes.count))) {
            try HostMessage.data(stream: 1, bytes).frame()
        }
    }

    @Test("random payloads of every kind are decoded or refused, never more")
    func randomPayloads() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            guard let kind = FrameKind.allCases.randomElement(using: &generator) else { continue }
            let channel = Channel(rawValue: UInt8.random(in: 0...2, using: &generator)) ?? .input
            var payload = generator.bytes(Int.random(in: 0...64, using: &generator))
            // Small counts and lengths get further than random ones.
            for index in payload.indices where Bool.random(using: &generator) { payload[index] &= 3 }
            let frame = Frame(
                kind, channel: channel, stream: UInt32.random(in: 0...1, using: &generator), payload: payload)
            if let message = try? HostMessage(frame), let again = try? message.frame() {
                #expect((try? HostMessage(again)) == message)
            }
            if let message = try? GuestMessage(frame), let again = try? message.frame() {
                #expect((try? GuestMessage(again)) == message)
            }
        }
    }
}
