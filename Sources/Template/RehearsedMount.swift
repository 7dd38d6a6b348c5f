import AgentProtocol

/// The host's side of a mount in a rehearsal: an empty directory, in the messages of Linux's `linux/fuse.h`, of which it
/// knows as many as it takes to mount, to enter and to unmount.
struct RehearsedMount {
    /// The mount's stream, which no process of the rehearsal has.
    static let stream: UInt32 = 1000
    /// Where it is.
    static let target = "/rehearsed"

    /// Whether it is in place.
    private(set) var isPlaced = false
    /// Whether that is not known yet. A kernel without FUSE cannot mount, and is no worse for anything else.
    private(set) var isStarting = true
    private var requests: [UInt8] = []

    /// What starts it.
    static var start: HostMessage { .start(stream: stream, .mount(GuestMount(.directory, target: target))) }

    /// Takes a message about the mount.
    /// - Returns: what to send.
    mutating func receive(_ message: GuestMessage) -> [HostMessage] {
        switch message {
        case .started:
            (isPlaced, isStarting) = (true, false)
            return []
        case .failed:
            isStarting = false
            return []
        case .data(_, _, let bytes):
            requests += bytes
            var answers: [UInt8] = []
            while let request = nextRequest() { answers += Self.answer(request) }
            return answers.isEmpty ? [] : [.data(stream: Self.stream, answers)]
        default: return []
        }
    }

    /// Cuts a whole request off.
    private mutating func nextRequest() -> [UInt8]? {
        var reader = ByteReader(requests)
        guard let length = try? reader.unsigned32(), length >= 40, requests.count >= length else { return nil }
        defer { requests.removeFirst(Int(length)) }
        return Array(requests.prefix(Int(length)))
    }

    /// Answers a request: `fuse_in_header` in front, `fuse_out_header` in front of the answer.
    private static func answer(_ request: [UInt8]) -> [UInt8] {
        var reader = ByteReader(request.dropFirst(4))
        guard let operation = try? reader.unsigned32(), let unique = try? reader.unsigned64() else { return [] }
        var body = ByteWriter()
        var error: UInt32 = 0
        switch operation {
        case 2, 42: return []  // FORGET and BATCH_FORGET want no answer
        case 26:  // INIT: version 7.31, reads ahead, one page at a time
            for value: UInt32 in [7, 31, 131_072, 0, 0, 4096, 0, 0] { body.unsigned32(value) }
            for _ in 0..<8 { body.unsigned32(0) }
        case 3:  // GETATTR: a directory of root's that all may enter
            for value: UInt64 in [1, 0, 1, 0, 0, 0, 0, 0] { body.unsigned64(value) }
            for value: UInt32 in [0, 0, 0, 0o040755, 2, 0, 0, 0, 4096, 0] { body.unsigned32(value) }
        default: error = UInt32(bitPattern: -38)  // ENOSYS
        }
        var answer = ByteWriter()
        answer.unsigned32(16 + UInt32(body.bytes.count))
        answer.unsigned32(error)
        answer.unsigned64(unique)
        return answer.bytes + body.bytes
    }
}
