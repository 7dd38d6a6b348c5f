import AgentProtocol
import Control

/// What clients, supervisor and agent say to each other.
enum Conversations {
    /// Who says something, as FuzzStreams has it.
    enum Sender: UInt8 {
        case guest = 0
        case client = 1
        case other = 2
        /// The client goes; what it says with that does not count.
        case leave = 3
    }

    /// One of each message of the host.
    static func hostFrames() throws -> [(String, Frame)] {
        let configuration = MachineConfiguration(
            entropy: [UInt8](0..<32), wallClock: 1_700_000_000_000_000_000, hostName: "sandbox",
            machineID: "0123456789abcdef0123456789abcdef", mac: [2, 0, 0, 0, 0, 1], addresses: ["192.0.2.7/24"],
            mounts: [.init(type: "tmpfs", source: "tmpfs", target: "/tmp", options: "size=64m,mode=1777")],
            environment: ["PATH=/bin"], limits: .init(processes: 100, openFiles: 1024))
        let messages: [(String, HostMessage)] = [
            ("configure", .configure(configuration)), ("start", .start(stream: 1, process)),
            ("input", .data(stream: 1, Array("hello\n".utf8))), ("end-of-input", .end(stream: 1)),
            ("credit", .credit(stream: 1, .output, 65_536)), ("signal", .signal(stream: 1, 15)),
            ("resize", .resize(stream: 1, TerminalSize(rows: 50, columns: 132))),
            ("shutdown", .shutdown(graceMilliseconds: 10_000)),
        ]
        return try messages.map { ("host-\($0)", try $1.frame()) }
    }

    /// One of each message of the guest.
    static func guestFrames() throws -> [(String, Frame)] {
        let messages: [(String, GuestMessage)] = [
            ("ready", .ready(version: ProtocolVersion.current)),
            (
                "configured",
                .configured(
                    Confirmation(
                        hostName: "sandbox", machineID: "0123456789abcdef0123456789abcdef",
                        bootID: "01234567-89ab-cdef-0123-456789abcdef", mac: [2, 0, 0, 0, 0, 1],
                        wallClock: 1_700_000_000_100_000_000, addresses: ["192.0.2.7/24"]))
            ),
            ("refused", .refused("mount /tmp: no such device")), ("started", .started(stream: 1, pid: 12)),
            ("failed", .failed(stream: 1, StartFailure(.notFound, "start nothing: not found"))),
            ("output", .data(stream: 1, .output, Array("42\n".utf8))), ("end-of-output", .end(stream: 1, .output)),
            ("credit", .credit(stream: 1, 6)), ("exited", .exited(stream: 1, ExitStatus(.code(0)))),
            ("killed", .exited(stream: 1, ExitStatus(.signal(9), timedOut: true))), ("stopped", .stopped),
        ]
        return try messages.map { ("guest-\($0)", try $1.frame()) }
    }

    /// One of each message of a supervisor that is its own.
    static func supervisorFrames() throws -> [(String, Frame)] {
        let messages: [(String, SupervisorMessage)] = [
            ("ready", .ready), ("failed", .failed("start the machine: no kernel")), ("notice", .notice("no KVM here")),
            ("timing", .timing(stage: "engine", nanoseconds: 1_700_000_000)),
        ]
        return try messages.map { ("supervisor-\($0)", try $1.frame()) }
    }

    /// One of each message of a client that is its own. The JSON stands here, since the state's types are not for fuzzers.
    static func clientFrames() throws -> [(String, Frame)] {
        let requests = [
            ("jobs", #"{"jobs":{}}"#), ("kill", #"{"kill":{}}"#), ("statistics", #"{"statistics":{}}"#),
            ("stop", #"{"stop":{"graceMilliseconds":10000}}"#),
            ("signal-job", #"{"signalJob":{"job":1,"signal":15}}"#),
            (
                "start-job",
                #"{"startJob":{"_0":{"arguments":["sh"],"environment":["A=b"],"workingDirectory":"/","user":"","#
                    + #""terminal":false,"takesInput":true,"timeout":0}}}"#
            ),
        ]
        return requests.map { ("client-\($0)", Frame(.request, stream: 1, payload: Array($1.utf8))) }
            + [("client-attach", try ClientMessage.attach(stream: 2, job: 1).frame())]
    }

    /// Whole conversations of one or two clients with the guest.
    static func all() throws -> [(String, [(sender: Sender, frame: Frame)])] {
        let started: [(sender: Sender, frame: Frame)] = [
            (.client, try HostMessage.start(stream: 7, process).frame()),
            (.guest, try GuestMessage.started(stream: 1, pid: 12).frame()),
        ]
        let spoken: [(sender: Sender, frame: Frame)] = [
            (.client, try HostMessage.data(stream: 7, Array("6*7\n".utf8)).frame()),
            (.client, try HostMessage.end(stream: 7).frame()),
            (.guest, try GuestMessage.credit(stream: 1, 4).frame()),
            (.guest, try GuestMessage.data(stream: 1, .output, Array("42\n".utf8)).frame()),
            (.guest, try GuestMessage.data(stream: 1, .error, Array("warning\n".utf8)).frame()),
            (.client, try HostMessage.credit(stream: 7, .output, 3).frame()),
            (.guest, try GuestMessage.end(stream: 1, .output).frame()),
            (.guest, try GuestMessage.end(stream: 1, .error).frame()),
            (.guest, try GuestMessage.exited(stream: 1, ExitStatus(.code(0))).frame()),
        ]
        let second: [(sender: Sender, frame: Frame)] = [
            (.other, try HostMessage.start(stream: 7, process).frame()),
            (.guest, try GuestMessage.started(stream: 2, pid: 13).frame()),
            (.guest, try GuestMessage.data(stream: 2, .output, Array("other\n".utf8)).frame()),
            (.other, try HostMessage.signal(stream: 7, 2).frame()),
        ]
        let left: [(sender: Sender, frame: Frame)] = [
            (.leave, Frame(.end)),
            (.guest, try GuestMessage.data(stream: 1, .output, Array("to nobody\n".utf8)).frame()),
            (.guest, try GuestMessage.exited(stream: 1, ExitStatus(.signal(9))).frame()),
        ]
        let refused: [(sender: Sender, frame: Frame)] = [
            (.client, try HostMessage.start(stream: 7, process).frame()),
            (.guest, try GuestMessage.failed(stream: 1, StartFailure(.notFound, "start nothing: not found")).frame()),
        ]
        return [
            ("one-client", started + spoken), ("two-clients", started + second + spoken), ("gone", started + left),
            ("refused", refused),
        ]
    }

    private static let process = ProcessSpecification(
        arguments: ["python3", "-c", "print(6*7)"], environment: ["LANG=C.UTF-8"], workingDirectory: "/srv",
        makesWorkingDirectory: true, user: "nobody:users", terminal: TerminalSize(rows: 24, columns: 80),
        takesInput: true, resourceLimits: [.init(resource: 7, soft: 1024, hard: .max)], timeout: 60_000)
}
