import Glibc
import InterceptionProtocol
import LinuxSystem
import Testing

@Suite("The process that intercepts", .serialized)
struct ProcessTests {
    @Test("stands behind its walls and holds only its sockets")
    func walls() async throws {
        let authority = try await TestAuthority()
        let gateway = try TestGateway(authority)
        let status = String(decoding: try FileTree.read("/proc/\(gateway.process.pid)/status"), as: UTF8.self)
        func field(_ name: String) -> String {
            status.split(separator: "\n").first { $0.hasPrefix("\(name):") }?.split(separator: "\t").last.map(
                String.init) ?? ""
        }
        #expect(field("NoNewPrivs") == "1" && field("Seccomp") == "2" && field("CapEff") == "0000000000000000")
        // What is not dumpable belongs to root in /proc.
        var owner = stat()
        #expect(stat("/proc/\(gateway.process.pid)/mem", &owner) == 0 && owner.st_uid == 0)
        let limits = String(decoding: try FileTree.read("/proc/\(gateway.process.pid)/limits"), as: UTF8.self)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").dropFirst(4).first == "1")
        if geteuid() == 0 {
            // The first three are the tests'.
            let names = try FileTree.names(in: "/proc/\(gateway.process.pid)/fd").filter { (Int($0) ?? 0) > 2 }
            let kinds = names.map { name in
                var buffer = [CChar](repeating: 0, count: 256)
                let count = readlink("/proc/\(gateway.process.pid)/fd/\(name)", &buffer, 255)
                return String(decoding: buffer.prefix(max(count, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self)
            }
            #expect(
                kinds.allSatisfy { $0.hasPrefix("socket:") || $0.hasPrefix("anon_inode:") }, "\(kinds)")
        }
        let locked = field("VmLck")
        #expect(locked.split(separator: " ").first.flatMap { Int($0) } ?? 0 > 0)
    }

    @Test("ends with its gateway")
    func end() async throws {
        let authority = try await TestAuthority()
        let (socket, other) = try InterceptionSocket.pair()
        let directory = try TestDirectory()
        let pid = try start(other)
        try configure(socket, directory, authority)
        guard case .ready = try #require(try socket.nextEvent(waits: true)) else { return }
        shutdown(socket.descriptor.rawValue, Int32(SHUT_RDWR))
        #expect(try exitCode(pid) == 0)
    }

    private func start(_ other: Descriptor) throws -> pid_t {
        let nothing = try Descriptor(opening: "/dev/null", O_RDWR)
        return try spawn(
            [try TestProgram.path("sandpiper-tls")], [(nothing, 0), (nothing, 1), (other, 3)], inNewSession: true)
    }

    private func configure(_ socket: InterceptionSocket, _ directory: TestDirectory, _ authority: TestAuthority) throws
    {
        let configuration = InterceptionConfiguration(
            authorityDirectory: "\(directory.path)/ca", upstreamAuthorityFiles: [authority.certificate])
        try socket.configure(configuration)
    }

    private func exitCode(_ pid: pid_t) throws -> Int32 {
        var status: Int32 = 0
        guard waitpid(pid, &status, 0) == pid, status & 0x7f == 0 else { throw SystemError("wait") }
        return status >> 8 & 0xff
    }

    @Test("has one authority however many start at once, the key for its owner alone")
    func authority() async throws {
        let trusted = try await TestAuthority()
        let directory = try TestDirectory()
        let sockets = try (0..<8).map { _ in
            let (socket, other) = try InterceptionSocket.pair()
            let process = Background(pid: try start(other))
            try configure(socket, directory, trusted)
            return (socket, process)
        }
        var certificates: Set<String> = []
        for (socket, _) in sockets {
            guard case .ready(let standing) = try #require(try socket.nextEvent(waits: true)) else { continue }
            certificates.insert(standing.authority)
        }
        #expect(certificates.count == 1)
        let path = "\(directory.path)/ca"
        #expect(certificates.first == String(decoding: try FileTree.read("\(path)/ca.pem"), as: UTF8.self))
        var status = stat()
        #expect(stat("\(path)/ca.key", &status) == 0 && status.st_mode & 0o777 == 0o600)
        let text = try await run(["openssl", "x509", "-in", "\(path)/ca.pem", "-noout", "-text"]).text
        #expect(text.contains("CA:TRUE, pathlen:0") && text.contains("Certificate Sign"))
    }

    @Test("says what is wrong with an authority")
    func badAuthority() async throws {
        let trusted = try await TestAuthority()
        let directory = try TestDirectory()
        let path = try TestProgram.path("sandpiper-tls")
        let made = try await run([path, "make-authority", "\(directory.path)/ca"])
        #expect(made.text == "\(directory.path)/ca/ca.pem\n")
        func failure() throws -> String {
            let (socket, other) = try InterceptionSocket.pair()
            let pid = try start(other)
            try configure(socket, directory, trusted)
            guard case .failed(let line) = try #require(try socket.nextEvent(waits: true)) else { return "" }
            #expect(try exitCode(pid) == 1)
            return line
        }
        chmod("\(directory.path)/ca/ca.key", 0o644)
        #expect(try failure().contains("ca.key is not its owner's alone"))
        chmod("\(directory.path)/ca/ca.key", 0o600)
        try FileTree.writeAtomically(try FileTree.read(trusted.certificate), to: "\(directory.path)/ca/ca.pem")
        #expect(try failure().contains("is not the certificate of ca.key"))
        try FileTree.writeAtomically(Array("nothing".utf8), to: "\(directory.path)/ca/ca.pem")
        #expect(try failure().contains("the authority for TLS interception"))
    }

    @Test("messages that are none end it")
    func badMessages() throws {
        for bytes in [Array("{}".utf8), [0xff], Array("{\"configure\":{}}".utf8)] as [[UInt8]] {
            let (socket, other) = try InterceptionSocket.pair()
            let pid = try start(other)
            try bytes.withUnsafeBytes { try socket.descriptor.sendMessage($0, waits: true) }
            guard case .failed = try #require(try socket.nextEvent(waits: true)) else { return }
            #expect(try exitCode(pid) == 1)
        }
    }
}
