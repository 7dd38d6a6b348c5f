import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Many clients of one sandbox, and processes that outlive theirs.
@Suite(.needsMachines) struct ClientsTests {
    @Test("twenty clients at once each get their own, while one does not read and one speaks nonsense")
    func many() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("busy")
            _ = try await home.sandpiper("exec", "busy", "--", "sh", "-c", "echo first; yes") { slow in
                try await slow.expectLine("first")
                // From now on this client's output is not read, and its process waits.
                let place = try Descriptor(opening: sandbox.socketDirectory, O_RDONLY | O_DIRECTORY)
                let rude = try UnixSocket.connect(SandboxDirectory.controlSocketName, in: place)
                try rude.write([UInt8](repeating: 0xff, count: 4096))
                var answer = [UInt8](repeating: 0, count: 65_536)
                // It is told nothing but that the sandbox is ready, and hung up on.
                while true {
                    let count = (try? answer.withUnsafeMutableBytes { try rude.read(into: $0) }) ?? 0
                    if count == 0 { break }
                }
                let outputs = try await withThrowingTaskGroup(of: String.self) { group in
                    for number in 0..<20 {
                        group.addTask { try await home.exec("busy", "echo $((\(number) * 3)); exit \(number)").output }
                    }
                    return try await group.reduce(into: Set()) { $0.insert($1) }
                }
                #expect(outputs == Set((0..<20).map { "\($0 * 3)\n" }))
                slow.signal(SIGKILL)
            }
            try await home.remove("busy")
        }
    }

    @Test("a job outlives its client, goes on writing its log, and its status is kept")
    func job() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("busy")
            let script = "echo one; until [ -e /go ]; do sleep 0.01; done; echo two >&2; exit 9"
            let started = try await home.sandpiper("exec", "-d", "busy", "--", "sh", "-c", script)
            #expect(started.output == "1\n", "\(started.error)")
            _ = try await home.exec("busy", "touch /go; sleep 0.1")
            let ended = try await home.sandpiper("wait", "--job", "1", "busy")
            #expect(ended.status == 0 || ended.status == 9, "\(ended.error)")
            #expect(try await home.sandpiper("stop", "busy").status == 0)
            let record = try #require(JobDirectory.all(sandbox.jobs).first)
            #expect(record.exitStatus == 9 && record.ended != nil && record.reason == nil)
            var reader = JobLogReader(path: sandbox.job(1) + "/" + JobDirectory.logName)
            var output: [String] = []
            while let part = try reader.record() { output.append(String(decoding: part.bytes, as: UTF8.self)) }
            #expect(output == ["one\n", "two\n", "9"])
            // Numbers go on in the next life.
            let again = try await home.sandpiper("start", "busy")
            #expect(again.status == 0, "\(again.error)")
            #expect(try await home.sandpiper("exec", "-d", "busy", "true").output == "2\n")
            try await home.remove("busy")
        }
    }
}
