import AgentProtocol
import LinuxSystem
import SandboxState

/// What a supervisor knows of its machine's processes, kept beside the frozen machine for the one that lets it go on.
struct FrozenSession: Codable, Sendable, Equatable {
    /// The streams of all processes.
    var streams: [FrozenStream]
    /// The number of the job that the sandbox lives for.
    var mainJob: Int?
    /// Frames that the agent is still to get, as they go over the wire.
    var unsent: [UInt8]
    /// The mounts that the host serves.
    var mounts: [FrozenMount] = []
    /// Whether another sandbox goes on from here: it gets an identity of its own, and what its clients had started goes on
    /// unheard. Else such processes are killed, as their clients have gone.
    /// Said by a file beside it, so that what is frozen is the same for both.
    var isNew = false

    private enum CodingKeys: CodingKey {
        case streams, mainJob, unsent, mounts
    }
}

extension FrozenSession {
    /// Writes it, and what goes with it, beside a frozen machine.
    func write(to directory: String, durable: Bool) throws {
        for mount in mounts {
            try FileTree.writeAtomically(
                mount.answers, to: FrozenMount.answers(mount.place, in: directory), mode: 0o400, durable: durable)
        }
        try RecordFile.write(self, to: directory + "/" + SandboxDirectory.frozenSessionName, durable: durable)
    }

    /// Reads what was kept beside a frozen machine.
    init(in directory: String) throws {
        self = try RecordFile.read(Self.self, from: directory + "/" + SandboxDirectory.frozenSessionName)
        isNew = FileTree.exists(directory + "/" + SandboxDirectory.frozenAsNewName)
        for index in mounts.indices {
            mounts[index].answers = try FileTree.read(FrozenMount.answers(mounts[index].place, in: directory))
        }
        guard mounts.allSatisfy(\.isPossible) else {
            throw SupervisorError.cannotGoOn("what is noted of its mounts cannot be")
        }
    }
}

/// Where ``MountRelay`` stood with a mount that the host serves. What its server knew lies in a file of its own.
struct FrozenMount: Codable, Sendable, Equatable {
    /// Its place in the list of the sandbox's mounts.
    var place: Int
    /// Bytes that the guest may still send: it has credit for no more of what was passed on.
    var guestCredit: UInt32
    /// Bytes that the guest would still take.
    var hostCredit: UInt32
    /// What the server has said and the guest was not told; a file of its own too.
    var answers: [UInt8] = []

    private enum CodingKeys: CodingKey {
        case place, guestCredit, hostCredit
    }

    /// Where the state of its server is.
    static func state(_ place: Int, in directory: String) -> String { "\(directory)/mount.\(place)" }
    fileprivate static func answers(_ place: Int, in directory: String) -> String {
        "\(directory)/mount.\(place).answers"
    }

    fileprivate var isPossible: Bool { max(guestCredit, hostCredit) <= FlowWindow.initial }
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
