import AgentProtocol
import ControlClient
import ForeignText
import ImageStore
import LinuxSystem
import SandboxState

/// Why something with a sandbox did not work.
public enum SandpiperError: Error, Sendable, CustomStringConvertible {
    /// The image is not in the store, and was not to be fetched.
    case imageNotFound(String)
    /// The image could not be fetched from its registry; why.
    case pullFailed(image: String, reason: String)
    /// The image cannot be used on this host: it is damaged, or for other machines.
    case imageUnusable(String)
    /// There is no sandbox of this name or id.
    case sandboxNotFound(String)
    /// Another sandbox has this name.
    case nameInUse(String)
    /// The sandbox is running, or being started or removed at this moment.
    case busy(sandbox: String)
    /// The sandbox has no machine; in what state it is.
    case notRunning(sandbox: String, state: Sandbox.Status, reason: String?)
    /// The sandbox, or the connection to it, has ended: why.
    case ended(sandbox: String, reason: String)
    /// A process could not be started. The code is the exit status that Docker gives such a failure: 127 when there is no
    /// such program, 126 when it cannot be executed or its directory entered, 125 for anything else.
    case startFailed(code: Int, reason: String)
    /// A process was killed because its time was over; what it wrote until then.
    case timedOut(Sandbox.Output)
    /// A process wrote more than so many bytes and was killed, or a file has more.
    case outputTooLong(limit: Int)
    /// The process does not take input any more: it has ended, or its input was closed.
    case inputClosed
    /// The sandbox could not do something with a file: Linux's error number, and what it says.
    case file(code: Int32, reason: String)
    /// There is no volume of this name.
    case volumeNotFound(String)
    /// Another volume has this name.
    case volumeExists(String)
    /// A sandbox has the volume, which keeps others from removing it, or from using it in this way; who and why.
    case volumeInUse(String)
    /// There is no private network of this name.
    case networkNotFound(String)
    /// Another private network has this name.
    case networkExists(String)
    /// A sandbox is in the private network, which keeps others from removing it, or it is full; who and why.
    case networkInUse(String)
    /// What was asked for makes no sense.
    case invalidArgument(String)
    /// The supervisor could not do what it was asked.
    case refused(String)
    /// A part of Sandpiper is not installed.
    case notInstalled(String)
    /// The host refused something.
    case system(String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .imageNotFound(let image): "there is no image \"\(image.excerpt())\"; pull it, or load it from an archive"
        case .pullFailed(let image, let reason): "the image \(image.excerpt()) cannot be fetched: \(reason)"
        case .imageUnusable(let reason): reason
        case .sandboxNotFound(let name): "there is no sandbox '\(name.excerpt())'"
        case .nameInUse(let name): "the name '\(name)' is in use by another sandbox; choose another"
        case .busy(let sandbox): "sandbox \(sandbox) is running, or being started or removed"
        case .notRunning(let sandbox, let state, let reason):
            "sandbox \(sandbox) is not running (\(state.rawValue)\(reason.map { ": " + $0.excerpt() } ?? "")); start it"
        case .ended(let sandbox, let reason): "sandbox \(sandbox) has ended: \(reason.excerpt(1000))"
        case .startFailed(_, let reason): reason.excerpt(1000)
        case .timedOut: "the process was killed because its time was over"
        case .outputTooLong(let limit): "there are more than \(limit) bytes; read them as a stream instead"
        case .file(_, let reason): "in the sandbox: \(reason.excerpt(500))"
        case .inputClosed: "the process takes no more input"
        case .volumeNotFound(let name): "there is no volume '\(name.excerpt())'"
        case .volumeExists(let name): "there is a volume '\(name)' already"
        case .networkNotFound(let name): "there is no network '\(name.excerpt())'"
        case .networkExists(let name): "there is a network '\(name)' already"
        case .volumeInUse(let reason), .networkInUse(let reason), .invalidArgument(let reason), .refused(let reason),
            .notInstalled(let reason), .system(let reason):
            reason
        }
    }

    /// The failure of a process to start, as the guest told it.
    init(_ failure: StartFailure) { self = .startFailed(code: Int(failure.shellCode), reason: failure.detail) }

    /// What a room below threw.
    init(_ error: any Error) {
        switch error {
        case let error as SandpiperError: self = error
        case let error as StateError: self.init(state: error)
        case let error as ImageStoreError: self.init(store: error)
        case ControlError.notRunning(let id, let life):
            self = .notRunning(sandbox: id, state: Sandbox.Status(life.status), reason: life.reason)
        case ControlError.failed(let reason): self = .refused(reason)
        default: self = .system("\(error)".excerpt(1000))
        }
    }

    private init(state error: StateError) {
        switch error {
        case .nameInUse(let name, _): self = .nameInUse("\(name)")
        case .snapshotNameInUse(let name, _): self = .nameInUse(name)
        case .noSuchSnapshot: self = .refused("\(error)")
        case .noSuchSandbox(let name), .ambiguous(let name): self = .sandboxNotFound(name)
        case .isOwned(let id): self = .busy(sandbox: "\(id)")
        case .notInstalled: self = .notInstalled("\(error)")
        case .badMount(let reason): self = .invalidArgument(reason)
        case .badPort, .badProxy, .badSecret: self = .invalidArgument("\(error)")
        case .noSuchVolume(let name): self = .volumeNotFound(name)
        case .volumeExists(let name): self = .volumeExists("\(name)")
        case .volumeNamed, .volumeBusy: self = .volumeInUse("\(error)")
        case .noSuchNetwork(let name): self = .networkNotFound(name)
        case .networkExists(let name): self = .networkExists("\(name)")
        case .networkInUse, .networkFull: self = .networkInUse("\(error)")
        case .badSubnet(let reason): self = .invalidArgument(reason)
        case .noHome, .system, .inaccessible: self = .system("\(error)")
        }
    }

    private init(store error: ImageStoreError) {
        switch error {
        case .notFound(let name, _): self = .imageNotFound(name)
        case .damaged: self = .imageUnusable("\(error)")
        default: self = .system("\(error)")
        }
    }
}
