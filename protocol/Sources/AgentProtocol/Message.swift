/// What the host says to the agent.
public enum HostMessage: Equatable, Sendable {
    /// Makes the machine this sandbox; once.
    case configure(MachineConfiguration)
    /// Starts a process under a stream number (1...) that is not in use.
    case start(stream: UInt32, ProcessSpecification)
    /// Bytes for the process's stdin, within the credit the agent gave.
    case data(stream: UInt32, [UInt8])
    /// The process's stdin ends.
    case end(stream: UInt32)
    /// The host has passed on so many bytes of the channel: the agent may send as many more.
    case credit(stream: UInt32, Channel, UInt32)
    /// Sends a signal (1...64) to the process's whole process group.
    case signal(stream: UInt32, UInt8)
    /// Changes the size of the process's terminal.
    case resize(stream: UInt32, TerminalSize)
    /// Sets the wall clock, to nanoseconds since 1970-01-01 00:00 UTC: the guest's own stands still while it does.
    case setClock(UInt64)
    /// Ends all processes, at first kindly, for so many milliseconds, then writes everything to disk, unmounts and turns
    /// the machine off.
    case shutdown(graceMilliseconds: UInt32)
    /// Asks what the guest uses; answered by ``GuestMessage/measured(_:)``.
    case measure
    /// Falls silent: what was to be said before is said, ``GuestMessage/frozen`` last, and nothing follows until
    /// ``thaw(_:)``, which is the next message. Processes go on meanwhile.
    /// - Parameter writesDisk: whether all that was written is to be on the disk when the answer comes.
    case freeze(writesDisk: Bool)
    /// Goes on after ``freeze(writesDisk:)``: takes fresh entropy and the wall clock, and as another machine than the one
    /// that was frozen its identity too. Answered by ``GuestMessage/thawed(_:)`` or ``GuestMessage/refused(_:)``.
    case thaw(Thawing)

    /// Reads a message from a frame that came from the host.
    /// - Throws: ``ProtocolError`` when the frame is not one, or a field is malformed.
    public init(_ frame: Frame) throws(ProtocolError) {
        try frame.checkAddress()
        switch frame.kind {
        case .configure: self = .configure(try MachineConfiguration(decoding: frame.payload))
        case .start:
            self = .start(stream: frame.stream, try ProcessSpecification(decoding: frame.payload))
        case .data:
            guard frame.channel == .input else { throw .badField("channel") }
            self = .data(stream: frame.stream, frame.payload)
        case .end:
            guard frame.channel == .input else { throw .badField("channel") }
            self = .end(stream: frame.stream)
        case .credit:
            guard frame.channel != .input else { throw .badField("channel") }
            self = .credit(stream: frame.stream, frame.channel, try Self.number(frame.payload))
        case .signal:
            let signal = try Self.number(frame.payload)
            guard (1...64).contains(signal) else { throw .badField("signal") }
            self = .signal(stream: frame.stream, UInt8(signal))
        case .resize:
            var reader = ByteReader(frame.payload)
            let size = TerminalSize(rows: try reader.unsigned16(), columns: try reader.unsigned16())
            try reader.finish()
            self = .resize(stream: frame.stream, size)
        case .setClock:
            var reader = ByteReader(frame.payload)
            self = .setClock(try reader.unsigned64())
            try reader.finish()
        case .shutdown: self = .shutdown(graceMilliseconds: try Self.number(frame.payload))
        case .measure: self = .measure
        case .freeze:
            var reader = ByteReader(frame.payload)
            self = .freeze(writesDisk: try reader.boolean())
            try reader.finish()
        case .thaw: self = .thaw(try Thawing(decoding: frame.payload))
        default: throw .unexpected(frame.kind)
        }
    }

    /// The frame that carries this message.
    /// - Throws: ``ProtocolError/payloadTooLong(_:)`` when the message does not fit one frame.
    public func frame() throws(ProtocolError) -> Frame {
        var writer = ByteWriter()
        switch self {
        case .configure(let configuration):
            configuration.encode(into: &writer)
            return try Frame(.configure, payload: writer.bytes).checked()
        case .start(let stream, let specification):
            specification.encode(into: &writer)
            return try Frame(.start, stream: stream, payload: writer.bytes).checked()
        case .data(let stream, let bytes): return try Frame(.data, stream: stream, payload: bytes).checked()
        case .end(let stream): return Frame(.end, stream: stream)
        case .credit(let stream, let channel, let count):
            writer.unsigned32(count)
            return Frame(.credit, channel: channel, stream: stream, payload: writer.bytes)
        case .signal(let stream, let signal):
            writer.unsigned32(UInt32(signal))
            return Frame(.signal, stream: stream, payload: writer.bytes)
        case .resize(let stream, let size):
            writer.unsigned16(size.rows)
            writer.unsigned16(size.columns)
            return Frame(.resize, stream: stream, payload: writer.bytes)
        case .setClock(let time):
            writer.unsigned64(time)
            return Frame(.setClock, payload: writer.bytes)
        case .shutdown(let milliseconds):
            writer.unsigned32(milliseconds)
            return Frame(.shutdown, payload: writer.bytes)
        case .measure: return Frame(.measure)
        case .freeze(let writesDisk):
            writer.boolean(writesDisk)
            return Frame(.freeze, payload: writer.bytes)
        case .thaw(let thawing):
            thawing.encode(into: &writer)
            return try Frame(.thaw, payload: writer.bytes).checked()
        }
    }

    static func number(_ payload: [UInt8]) throws(ProtocolError) -> UInt32 {
        var reader = ByteReader(payload)
        let value = try reader.unsigned32()
        try reader.finish()
        return value
    }
}

/// What the agent says to the host. The host trusts none of it.
public enum GuestMessage: Equatable, Sendable {
    /// The machine has booted and waits to be configured; carries the agent's ``ProtocolVersion``. A machine that booted
    /// says so three times: at first it rehearses, with configurations, processes and shutdowns that pass away.
    case ready(version: UInt32)
    /// Every part of the configuration is in force, as the confirmation shows.
    case configured(Confirmation)
    /// The configuration could not be applied; one line says why. There is no sandbox.
    case refused(String)
    /// The process runs under this number in the guest.
    case started(stream: UInt32, pid: UInt32)
    /// The process could not be started. Last message of the stream.
    case failed(stream: UInt32, StartFailure)
    /// Bytes from the process, within the credit the host gave.
    case data(stream: UInt32, Channel, [UInt8])
    /// The process's stdout or stderr has ended.
    case end(stream: UInt32, Channel)
    /// The process has taken so many bytes of stdin: the host may send as many more.
    case credit(stream: UInt32, UInt32)
    /// The process has ended and all its output was sent. Last message of the stream.
    case exited(stream: UInt32, ExitStatus)
    /// Everything is on disk and unmounted; the machine turns off.
    case stopped
    /// What the guest uses.
    case measured(GuestMeasures)
    /// The agent has said all it had to say, and is silent.
    case frozen
    /// The agent goes on, and has what the confirmation shows.
    case thawed(Confirmation)

    /// Reads a message from a frame that came from the agent.
    /// - Throws: ``ProtocolError`` when the frame is not one, or a field is malformed.
    public init(_ frame: Frame) throws(ProtocolError) {
        try frame.checkAddress()
        switch frame.kind {
        case .ready: self = .ready(version: try HostMessage.number(frame.payload))
        case .configured: self = .configured(try Confirmation(decoding: frame.payload))
        case .refused:
            var reader = ByteReader(frame.payload)
            self = .refused(try reader.string())
            try reader.finish()
        case .started: self = .started(stream: frame.stream, pid: try HostMessage.number(frame.payload))
        case .failed:
            var reader = ByteReader(frame.payload)
            guard let reason = StartFailure.Reason(rawValue: try reader.unsigned8()) else { throw .badField("reason") }
            self = .failed(stream: frame.stream, StartFailure(reason, try reader.string()))
            try reader.finish()
        case .data:
            guard frame.channel != .input else { throw .badField("channel") }
            self = .data(stream: frame.stream, frame.channel, frame.payload)
        case .end:
            guard frame.channel != .input else { throw .badField("channel") }
            self = .end(stream: frame.stream, frame.channel)
        case .credit:
            guard frame.channel == .input else { throw .badField("channel") }
            self = .credit(stream: frame.stream, try HostMessage.number(frame.payload))
        case .exited:
            var reader = ByteReader(frame.payload)
            let bySignal = try reader.boolean()
            let value = try reader.unsigned8()
            let timedOut = try reader.boolean()
            try reader.finish()
            self = .exited(
                stream: frame.stream, ExitStatus(bySignal ? .signal(value) : .code(value), timedOut: timedOut))
        case .stopped: self = .stopped
        case .measured:
            var reader = ByteReader(frame.payload)
            self = .measured(try GuestMeasures(&reader))
            try reader.finish()
        case .frozen: self = .frozen
        case .thawed: self = .thawed(try Confirmation(decoding: frame.payload))
        default: throw .unexpected(frame.kind)
        }
    }

    /// The frame that carries this message.
    /// - Throws: ``ProtocolError/payloadTooLong(_:)`` when the message does not fit one frame.
    public func frame() throws(ProtocolError) -> Frame {
        var writer = ByteWriter()
        switch self {
        case .ready(let version):
            writer.unsigned32(version)
            return Frame(.ready, payload: writer.bytes)
        case .configured(let confirmation):
            confirmation.encode(into: &writer)
            return try Frame(.configured, payload: writer.bytes).checked()
        case .refused(let reason):
            writer.string(reason)
            return try Frame(.refused, payload: writer.bytes).checked()
        case .started(let stream, let pid):
            writer.unsigned32(pid)
            return Frame(.started, stream: stream, payload: writer.bytes)
        case .failed(let stream, let failure):
            writer.unsigned8(failure.reason.rawValue)
            writer.string(failure.detail)
            return try Frame(.failed, stream: stream, payload: writer.bytes).checked()
        case .data(let stream, let channel, let bytes):
            return try Frame(.data, channel: channel, stream: stream, payload: bytes).checked()
        case .end(let stream, let channel): return Frame(.end, channel: channel, stream: stream)
        case .credit(let stream, let count):
            writer.unsigned32(count)
            return Frame(.credit, stream: stream, payload: writer.bytes)
        case .exited(let stream, let status):
            switch status.cause {
            case .code(let code):
                writer.boolean(false)
                writer.unsigned8(code)
            case .signal(let signal):
                writer.boolean(true)
                writer.unsigned8(signal)
            }
            writer.boolean(status.timedOut)
            return Frame(.exited, stream: stream, payload: writer.bytes)
        case .stopped: return Frame(.stopped)
        case .measured(let measures):
            measures.encode(into: &writer)
            return Frame(.measured, payload: writer.bytes)
        case .frozen: return Frame(.frozen)
        case .thawed(let confirmation):
            confirmation.encode(into: &writer)
            return try Frame(.thawed, payload: writer.bytes).checked()
        }
    }
}

extension Frame {
    /// Checks what does not depend on the direction: stream 0 is for the machine's messages and only for them, only the
    /// frames of byte streams name a channel, and kinds without a payload have none.
    func checkAddress() throws(ProtocolError) {
        switch kind {
        case .ready, .configured, .refused, .stopped, .measured, .frozen, .thawed, .configure, .setClock, .shutdown,
            .measure, .freeze, .thaw, .sandboxReady, .sandboxFailed, .timing,
            .notice:
            guard stream == 0 else { throw .badField("stream") }
        case .started, .failed, .exited, .data, .end, .credit, .start, .signal, .resize, .reply, .request, .attach:
            guard stream != 0 else { throw .badField("stream") }
        }
        switch kind {
        case .data, .end, .credit: break
        default: guard channel == .input else { throw .badField("channel") }
        }
        switch kind {
        case .stopped, .measure, .frozen, .end: guard payload.isEmpty else { throw .trailingBytes }
        default: break
        }
    }

    /// This frame, when its payload fits.
    func checked() throws(ProtocolError) -> Frame {
        guard payload.count <= (kind == .data ? FrameHeader.maximumData : FrameHeader.maximumPayload) else {
            throw .payloadTooLong(UInt32(clamping: payload.count))
        }
        return self
    }
}
