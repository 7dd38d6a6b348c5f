import Glibc
import LinuxSystem
import Testing

@Suite("A descriptor") struct DescriptorTests {
    @Test("is closed when its last reference goes, and not before")
    func closing() throws {
        let (reading, writing) = try { () throws -> (Descriptor, Descriptor) in
            let pipe = try Descriptor.pipe()
            return (pipe.read, try pipe.write.duplicate())
        }()
        try writing.write([1])
        #expect(try reading.readAllNow() == [1])
        #expect(fcntl(writing.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test("is read and written at any place without moving")
    func places() throws {
        let file = try Descriptor.memory("test")
        try Array("hello".utf8).withUnsafeBytes { try file.write($0, at: 3) }
        #expect(try file.readAll(limit: 100) == [0, 0, 0] + Array("hello".utf8))
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 6) } == 2)
        #expect(bytes.starts(with: Array("lo".utf8)))
    }

    @Test("of a process becomes readable when it ends")
    func process() throws {
        var pid: pid_t = 0
        let arguments = [strdup("/bin/cat"), nil]
        defer { free(arguments[0]) }
        let (host, guest) = try Descriptor.socketPair()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, guest.rawValue, 0)
        #expect(posix_spawn(&pid, "/bin/cat", &actions, nil, arguments, nil) == 0)
        let process = try Descriptor.process(pid)
        var wait = pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)
        #expect(poll(&wait, 1, 0) == 0)
        #expect(kill(pid, SIGKILL) == 0)
        #expect(poll(&wait, 1, 10_000) == 1)
        waitpid(pid, nil, 0)
        let error = #expect(throws: SystemError.self) { try Descriptor.process(pid) }
        #expect(error?.number == ESRCH)
        _ = host
    }

    @Test("that cannot be had says what was attempted, on what and why")
    func failure() {
        let error = #expect(throws: SystemError.self) { try Descriptor(opening: "/nowhere/x") }
        #expect(error?.description == "open /nowhere/x: No such file or directory")
    }
}

extension Descriptor {
    /// What can be read at once.
    fileprivate func readAllNow() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = try bytes.withUnsafeMutableBytes { try read(into: $0) }
        return Array(bytes[..<count])
    }
}
