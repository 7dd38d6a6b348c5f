import Glibc
import LinuxSystem
import SandboxState
import Testing

/// What commands do with a sandbox of which a power cut left only a part.
@Suite(.needsMachines) struct PowerCutTests {
    @Test("a sandbox that lost its life's record, its jobs or its engine's record starts with all its files")
    func start() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            _ = try await home.sandpiper("exec", "-d", "kept", "true")
            _ = try await home.exec("kept", "echo precious > /kept; sync")
            for lost in [sandbox.life, sandbox.job(1) + "/" + JobDirectory.recordName, sandbox.engine] {
                for isEmpty in [false, true] {
                    for process in home.processes(named: "sandpiper-super") { try await process.kill() }
                    try await home.waitForProcesses()
                    try FileTree.removeFile(lost)
                    if isEmpty { _ = try Descriptor(opening: lost, O_WRONLY | O_CREAT) }
                    try FileTree.removeTree(sandbox.socketDirectory)
                    #expect(sandbox.currentLife().status == .crashed)
                    let started = try await home.sandpiper("start", "kept")
                    #expect(started.status == 0, "\(lost): \(started.error)")
                    #expect(try await home.exec("kept", "cat /kept").output == "precious\n")
                }
            }
            try await home.remove("kept")
        }
    }

    @Test("a sandbox whose disk is damaged says so, and can be removed; one without a disk begins anew")
    func disk() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            #expect(try await home.sandpiper("stop", "kept").status == 0)
            _ = try Descriptor(opening: sandbox.upperDisk, O_WRONLY | O_TRUNC)
            let started = try await home.sandpiper("start", "kept")
            #expect(started.status == 125 && started.error != "")
            #expect(sandbox.currentLife().status == .crashed && sandbox.currentLife().reason != nil)
            try await home.waitForProcesses()
            try FileTree.removeFile(sandbox.upperDisk)
            // What a crash leaves of a copy is not taken for a disk.
            _ = try Descriptor(opening: sandbox.upperDisk + ".new", O_WRONLY | O_CREAT)
            let again = try await home.sandpiper("start", "kept")
            #expect(again.status == 0, "\(again.error)")
            #expect(try await home.exec("kept", "echo works").output == "works\n")
            try await home.remove("kept")
        }
    }

    @Test("what is left of a sandbox that was never made is no obstacle to its name")
    func unfinished() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("new", ["--rm"])
            try await home.supervisor("new").kill()
            try await home.waitForProcesses()
            try FileTree.removeFile(sandbox.record)
            try await home.use("new")
        }
    }
}
