/// The kinds of records and messages that a client begins with (RFC 8446 sections 4 and 5.1).
enum TLSRecord {
    static let changeCipherSpec: UInt8 = 20
    static let alert: UInt8 = 21
    static let handshake: UInt8 = 22
    static let applicationData: UInt8 = 23
    static let clientHello: UInt8 = 1
    static let headerLength = 5
    static let maximumLength = 1 << 14
    /// Of records that are encrypted, in the version that allows most.
    static let maximumEncryptedLength = maximumLength + 2048
}

/// Follows a client of TLS through its first messages, so that the server it names is known before they pass.
///
/// Usually there is one ClientHello. A server may ask for a second (RFC 8446 section 4.1.4), which some would obey if it
/// named another server than the first; so that one is reported too.
///
/// Whoever carries the client's bytes keeps those that have not passed, and asks `next` what to do with their front until
/// it says to wait.
public struct TLSClientTracker: Sendable {
    /// The most bytes of a ClientHello. Those of real clients, keys of post-quantum cryptography included, have some 2 KiB.
    public static let maximumHello = 32 << 10
    /// The most bytes of a ClientHello in records, of which each may have a single one of its bytes.
    public static let maximumHeld = 64 << 10

    /// What is to be done with the bytes at the front.
    public enum Step: Hashable, Sendable {
        /// So many may pass; there is at least one.
        case pass(Int)
        /// So many bytes are the records of a ClientHello. They may pass if it may; then ask on.
        case hello(ClientHello, length: Int)
        /// Wait for more bytes of the client.
        case needMore
        /// All bytes may pass from here on, and nobody needs to look any more.
        case opaque
        /// This is no TLS, or none that can be followed: nothing more may pass.
        case malformed
    }

    private enum State {
        /// Within a ClientHello, perhaps before its first byte.
        case hello
        /// Between records after a ClientHello.
        case after
        /// Within a record of data that was sent early: so many bytes are left.
        case early(Int)
        case opaque
        case malformed
    }

    private var state = State.hello
    /// How many bytes at the front belong to records that were read.
    private var scanned = 0
    /// The message's bytes of those records.
    private var message: [UInt8] = []
    private var hadEarlyData = false
    private var hadChangeCipherSpec = false
    private var hellos = 0

    /// A connection on which nothing has been sent.
    public init() {}

    /// What is to be done with the front of the bytes that have not passed.
    public mutating func next(_ bytes: Span<UInt8>) -> Step {
        switch state {
        case .opaque: return .opaque
        case .malformed: return .malformed
        case .early(let left):
            guard !bytes.isEmpty else { return .needMore }
            let count = min(left, bytes.count)
            state = count == left ? .after : .early(left - count)
            return .pass(count)
        case .hello: return hello(bytes)
        case .after: return after(bytes)
        }
    }

    /// What is to be done with the front of the bytes that have not passed.
    public mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step {
        // Sound: the bytes are the caller's for as long as the call lasts, and a span cannot leave it.
        bytes.withMemoryRebound(to: UInt8.self) { next($0.span) }
    }

    private mutating func fail() -> Step {
        state = .malformed
        message = []
        return .malformed
    }

    private mutating func hello(_ bytes: Span<UInt8>) -> Step {
        while true {
            let rest = bytes.count - scanned
            if rest > 0, bytes[scanned] != TLSRecord.handshake { return fail() }
            if rest > 1, bytes[scanned + 1] != 3 { return fail() }
            guard rest >= TLSRecord.headerLength else { return .needMore }
            let length = Int(bytes[scanned + 3]) << 8 | Int(bytes[scanned + 4])
            guard length > 0, length <= TLSRecord.maximumLength, scanned <= Self.maximumHeld else { return fail() }
            guard rest >= TLSRecord.headerLength + length else {
                // Of a message that is none nothing more is waited for.
                if message.isEmpty, rest > TLSRecord.headerLength,
                    bytes[scanned + TLSRecord.headerLength] != TLSRecord.clientHello
                {
                    return fail()
                }
                return .needMore
            }
            for index in scanned + TLSRecord.headerLength..<scanned + TLSRecord.headerLength + length {
                message.append(bytes[index])
            }
            scanned += TLSRecord.headerLength + length
            guard message.first == TLSRecord.clientHello else { return fail() }
            guard message.count >= 4 else { continue }
            let size = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
            guard size <= Self.maximumHello, message.count <= size + 4 else { return fail() }
            guard message.count == size + 4 else { continue }
            guard let hello = ClientHello(body: message[4...]) else { return fail() }
            let passed = scanned
            scanned = 0
            message = []
            hellos += 1
            hadEarlyData = hadEarlyData || hello.offersEarlyData
            // After a second one there is no third.
            state = hellos < 2 ? .after : .opaque
            return .hello(hello, length: passed)
        }
    }

    /// The record after a ClientHello: a second one, or what begins the encrypted part.
    private mutating func after(_ bytes: Span<UInt8>) -> Step {
        guard let first = bytes.indices.first else { return .needMore }
        guard bytes.count >= TLSRecord.headerLength else { return .needMore }
        let length = Int(bytes[3]) << 8 | Int(bytes[4])
        guard bytes[1] == 3, length <= TLSRecord.maximumEncryptedLength else { return fail() }
        switch bytes[first] {
        case TLSRecord.changeCipherSpec:
            guard length == 1 else { return fail() }
            guard bytes.count > TLSRecord.headerLength else { return .needMore }
            hadChangeCipherSpec = true
            return .pass(TLSRecord.headerLength + 1)
        case TLSRecord.alert:
            state = .early(TLSRecord.headerLength + length)
            return next(bytes)
        case TLSRecord.applicationData:
            // Early data, when the server asks for a second ClientHello, comes before that.
            state = hadEarlyData ? .early(TLSRecord.headerLength + length) : .opaque
            return next(bytes)
        case TLSRecord.handshake:
            let seen = min(length, 6)
            guard bytes.count >= TLSRecord.headerLength + seen else { return .needMore }
            var isHello = length > 0 && bytes[TLSRecord.headerLength] == TLSRecord.clientHello
            if hadChangeCipherSpec, seen == 6 {
                // In TLS 1.2 this may be encrypted, and its first byte any. What is encrypted is never shorter than this.
                isHello = isHello && bytes[TLSRecord.headerLength + 1] == 0 && bytes[TLSRecord.headerLength + 4] == 3
            }
            state = isHello ? .hello : .opaque
            return next(bytes)
        default: return fail()
        }
    }
}
