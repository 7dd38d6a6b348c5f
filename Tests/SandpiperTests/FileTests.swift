import Glibc
import LinuxSystem
import Sandpiper
import Testing

@Suite("Files of a sandbox", .needsMachines, .timeLimit(.minutes(5)))
struct FileTests {
    @Test("files are written, read, listed, moved and removed")
    func operations() async throws {
        try await TestHost.withSandbox { sandbox in
            let files = sandbox.files
            try await files.makeDirectory("/work/inner", parents: true)
            try await files.write("text\n", to: "/work/file")
            let output = try await sandbox.exec(["cat", "/work/file"])
            #expect(output.standardOutput.text == "text\n")
            #expect(try await files.text(of: "/work/file") == "text\n")
            #expect(
                try await files.list("/work").map { String(decoding: $0.name, as: UTF8.self) } == ["file", "inner"])
            try await files.move("/work/file", to: "/work/moved")
            #expect(try await files.status(of: "/work/moved").size == 5)
            try await files.remove("/work", recursive: true)
            #expect(try await files.exists("/work") == false)
            let error = await #expect(throws: SandpiperError.self) { try await files.bytes(of: "/work/moved") }
            guard case .file(ENOENT, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test("a large file comes and goes as a stream while processes run")
    func streams() async throws {
        try await TestHost.withSandbox { sandbox in
            let bytes = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            async let other = sandbox.exec(["echo", "beside"])
            try await sandbox.files.write(bytes, to: "/large")
            var read: [UInt8] = []
            for try await piece in try await sandbox.files.content(of: "/large") { read += piece }
            #expect(read == bytes)
            #expect(try await other.standardOutput.text == "beside\n")
        }
    }

    @Test("after a restart of the sandbox its files are there again")
    func restart() async throws {
        let sandbox = try await Sandbox.create(image: "busybox", on: try await TestHost.shared.host)
        try await sandbox.files.write("kept", to: "/file")
        try await sandbox.stop(grace: .seconds(1))
        await #expect(throws: SandpiperError.self) { try await sandbox.files.text(of: "/file") }
        try await sandbox.start()
        #expect(try await sandbox.files.text(of: "/file") == "kept")
        try await sandbox.remove()
    }
}
