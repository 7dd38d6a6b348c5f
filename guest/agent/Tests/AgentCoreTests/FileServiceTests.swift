import AgentProtocol
import FileProtocol
import Glibc
import Testing

@testable import AgentCore

@Suite("The file service as a process of its own")
struct FileServiceTests {
    /// Runs the starter on some input, and gives what it wrote and how it ended.
    private func run(_ input: [UInt8]) throws -> (output: [UInt8], status: Int32) {
        let starter =
            try #require(
                readLink("/proc/self/exe").map { String($0.prefix(upTo: $0.lastIndex(of: "/") ?? $0.startIndex)) })
            + "/builtin-starter"
        var (toChild, fromChild): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        try #require(pipe(&toChild) == 0 && pipe(&fromChild) == 0)
        for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        var pid: pid_t = 0
        var arguments = [strdup(starter), nil]
        defer { free(arguments[0]) }
        try #require(posix_spawn(&pid, starter, &actions, nil, &arguments, environ) == 0)
        close(toChild[0])
        close(fromChild[1])
        // Less than a pipe holds.
        _ = input.withUnsafeBytes { write(toChild[1], $0.baseAddress, $0.count) }
        close(toChild[1])
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(fromChild[0], &buffer, buffer.count), count > 0 { output += buffer[..<count] }
        close(fromChild[0])
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        guard case .code(let code) = Reaper.cause(of: status) else { return (output, -1) }
        return (output, Int32(code))
    }

    private func readLink(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &target, target.count)
        return count > 0 ? String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    @Test("a process that runs no program answers requests until its input ends")
    func serves() throws {
        let requests: [FileRequest] = [
            .status(.root, followsLinks: true), .status(try #require(GuestPath("/nothing")), followsLinks: true),
        ]
        var input: [UInt8] = []
        for (id, request) in requests.enumerated() {
            input += try FileFrame(id: UInt32(id), payload: request.payload).encoded()
        }
        let (output, status) = try run(input)
        #expect(status == 0)
        var decoder = FileFrameDecoder()
        decoder.append(output)
        guard let first = try decoder.next(), case .status(let root) = try FileResponse(first.payload),
            let second = try decoder.next(), case .failed(let failure) = try FileResponse(second.payload)
        else {
            Issue.record("the responses are not there")
            return
        }
        #expect(root.kind == .directory && failure.code == ENOENT)
    }

    @Test("input that makes no sense ends it with status 1")
    func nonsense() throws {
        let (output, status) = try run([255, 255, 255, 255])
        #expect(output.isEmpty && status == 1)
    }

    @Test("owners are found in the image's own user database, by name or number")
    func owners() throws {
        var template = Array("/tmp/agent-owners-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        mkdir("\(path)/etc", 0o755)
        defer {
            for name in ["etc/passwd", "etc/group"] { unlink("\(path)/\(name)") }
            for name in ["etc", ""] { rmdir("\(path)/\(name)") }
        }
        for (name, text) in [("passwd", "app:x:70:71::/:/bin/sh\n"), ("group", "staff:x:50:\n")] {
            let file = open("\(path)/etc/\(name)", O_WRONLY | O_CREAT, 0o644)
            _ = Array(text.utf8).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            close(file)
        }
        let root = RootDirectory(try Descriptor.open(path, O_PATH | O_DIRECTORY))
        func identity(_ owner: String, _ group: String) -> [UInt32]? {
            FileService.identity(of: owner, group, in: root).map { [$0.0, $0.1] }
        }
        #expect(identity("app", "staff") == [70, 50])
        #expect(identity("7", "") == [7, .max])
        #expect(identity("", "staff") == [.max, 50])
        #expect(identity("nobody", "") == nil)
        #expect(identity("app:staff", "") == nil)
    }
}
