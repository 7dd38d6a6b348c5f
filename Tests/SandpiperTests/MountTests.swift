import Glibc
import LinuxSystem
import Sandpiper
import Testing

@Suite("Mounts and volumes of the library", .needsMachines, .timeLimit(.minutes(5)))
struct MountTests {
    @Test("a sandbox shows a directory, a file, a volume and memory, and a volume outlives it")
    func mounts() async throws {
        let host = try await TestHost.shared.host
        let folder =
            (getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/mounts-\(UInt64.random(in: .min ... .max))"
        try FileTree.makeDirectory(folder, mode: 0o755)
        defer { try? FileTree.removeTree(folder) }
        try FileTree.writeAtomically(Array("from the host".utf8), to: folder + "/file", mode: 0o644)
        let name = "library-\(getpid())"
        let volume = try await Volume.create(name, size: .mebibytes(16), labels: ["of": "test"], on: host)
        await #expect(throws: SandpiperError.self) { try await Volume.create(name, on: host) }
        #expect(try await Volume.all(on: host).contains(volume))

        let options = try Sandbox.Options(mounts: [
            .host(folder, at: "/work"), .host(folder + "/file", at: "/etc/one", readOnly: true),
            .volume(name, at: "/kept"),
            .memory(at: "/work/memory", size: .mebibytes(1)),
        ])
        try await withSandbox(image: "busybox", options: options, on: host) { sandbox in
            #expect(sandbox.mounts.map(\.target) == ["/work", "/etc/one", "/kept", "/work/memory"])
            #expect(sandbox.mounts.first?.source == .host(folder))
            let output = try await sandbox.exec(["sh", "-c", "cat /etc/one; echo kept >/kept/x; echo made >/work/made"])
            #expect(output.standardOutput.text == "from the host" && output.standardError.text == "")
            #expect(try await sandbox.files.text(of: "/work/file") == "from the host")
            try await sandbox.files.write("in memory", to: "/work/memory/x")
            #expect(try await volume.users() == [sandbox.id])
            let error = await #expect(throws: SandpiperError.self) { try await volume.remove() }
            guard case .volumeInUse = error else { return _ = Issue.record("\(String(describing: error))") }
        }
        #expect(try FileTree.read(folder + "/made") == Array("made\n".utf8))
        #expect(try FileTree.read(volume.path() + "/x") == Array("kept\n".utf8))
        #expect(try FileTree.names(in: folder + "/memory") == [])
        #expect(try await volume.diskUsage() > ByteSize(bytes: 0))
        try await Volume.find(name, on: host).remove()
        await #expect(throws: SandpiperError.self) { try await Volume.find(name, on: host) }
    }

    @Test("mounts that make no sense are refused before anything is made")
    func refused() async throws {
        #expect(throws: SandpiperError.self) { try Sandbox.Mount.host("/none/there", at: "/x") }
        #expect(throws: SandpiperError.self) { try Sandbox.Mount.host("/tmp", at: "x") }
        #expect(throws: SandpiperError.self) { try Sandbox.Mount.volume("a/b", at: "/x") }
        #expect(throws: SandpiperError.self) { try Sandbox.Mount.memory(at: "/proc/x") }
        let host = try await TestHost.shared.host
        let twice = try [Sandbox.Mount.memory(at: "/x"), .host("/tmp", at: "/x/")]
        let error = await #expect(throws: SandpiperError.self) {
            try await Sandbox.create(image: "busybox", options: .init(mounts: twice), on: host)
        }
        guard case .invalidArgument = error else { return _ = Issue.record("\(String(describing: error))") }
    }
}
