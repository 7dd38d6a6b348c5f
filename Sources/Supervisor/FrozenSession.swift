/// What a supervisor knows of its machine's processes, kept beside the frozen machine for the one that lets it go on.
struct FrozenSession: Codable, Sendable, Equatable {
    /// The streams of all processes.
    var streams: [FrozenStream]
    /// The number of the job that the sandbox lives for.
    var mainJob: Int?
    /// Frames that the agent is still to get, as they go over the wire.
    var unsent: [UInt8]
    /// Whether another sandbox goes on from here: it gets an identity of its own, and what its clients had started goes on
    /// unheard. Else such processes are killed, as their clients have gone.
    /// Said by a file beside it, so that what is frozen is the same for both.
    var isNew = false

    private enum CodingKeys: CodingKey {
        case streams, mainJob, unsent
    }
}

/// A stream of ``StreamRouter``.
struct FrozenStream: Codable, Sendable, Equatable {
    var number: UInt32
    /// The job that it is; `nil` for a process of a client.
    var job: UInt32?
    var isRunning: Bool
    var pid: UInt32
    var inputEnded: Bool
    /// Bytes that the host may still send.
    var inputCredit: UInt32
    /// Bytes that the guest may still send, as in ``StreamRouter``.
    var outputCredit: [UInt32?]
}
