import Glibc
import LinuxSystem
import SandboxState
import Testing

/// A power cut leaves any subset of a sandbox's files, some of them empty: nothing traps or hangs, the truth is told, and
/// the sandbox can be removed.
@Suite final class PowerCutTests {
    private let home = Home(path: "/tmp/sandpiper-power-\(getpid())-\(UInt32.random(in: .min ... .max))")

    deinit { try? FileTree.removeTree(home.path) }

    /// What became of one file.
    enum Fate: CaseIterable { case whole, missing, empty }

    /// Makes the files that a sandbox called `web` had when the power failed.
    private func fail(_ life: SandboxLife, _ fates: [String: Fate], runDirectory: Bool = true) throws
        -> SandboxDirectory
    {
        let record = SandboxRecord(
            id: SandboxID(), name: SandboxName("web"), image: "busybox", imageDigest: "sha256:0",
            limits: SandboxLimits(), kernel: "/k", initramfs: "/i", created: 0)
        let lock = try SandboxDirectory.create(record, in: home)
        let directory = try SandboxDirectory.find(record.id, in: home)
        try RecordFile.write(life, to: directory.life)
        try FileTree.makeDirectory(directory.job(1))
        let job = directory.job(1) + "/" + JobDirectory.recordName
        try RecordFile.write(
            JobRecord(number: 1, JobSpecification(arguments: ["sleep"]), started: 1), to: job)
        try FileTree.writeAtomically([1], to: directory.upperDisk)
        try FileTree.writeAtomically([1], to: directory.life + ".17.99.new")
        let files = ["record": directory.record, "life": directory.life, "job": job, "upper": directory.upperDisk]
        for (file, fate) in fates {
            guard let path = files[file] else { continue }
            if fate != .whole { try FileTree.removeFile(path) }
            if fate == .empty { _ = try Descriptor(opening: path, O_WRONLY | O_CREAT) }
        }
        #expect(flock(lock.descriptor.rawValue, LOCK_UN) == 0)
        if !runDirectory { try FileTree.removeTree(directory.socketDirectory) }
        return directory
    }

    @Test("whatever is left of a sandbox, its state is told as it is, and it can be removed", arguments: [true, false])
    func subsets(runDirectory: Bool) throws {
        let lives = [
            SandboxLife(.created), SandboxLife(.running, started: 5, supervisor: 1), SandboxLife(.stopping, started: 5),
            SandboxLife(.stopped, started: 5, ended: 6),
        ]
        for life in lives {
            for record in Fate.allCases {
                for lifeFate in Fate.allCases {
                    for job in Fate.allCases {
                        let directory = try fail(
                            life, ["record": record, "life": lifeFate, "job": job], runDirectory: runDirectory)
                        check(directory, life, record, lifeFate)
                    }
                }
            }
        }
    }

    private func check(_ directory: SandboxDirectory, _ life: SandboxLife, _ record: Fate, _ lifeFate: Fate) {
        SandboxDirectory.sweepAll(home)
        #expect((try? FileTree.names(in: home.run)) == [])
        // Without a record the sandbox was never made.
        guard record != .missing else { return #expect(!FileTree.exists(directory.record) && isEmpty) }
        let isCrash = lifeFate != .whole || life.isOwned
        // A damaged record is shown to the user and left alone.
        if record == .whole {
            #expect(directory.currentLife().status == (isCrash ? .crashed : life.status))
            #expect((directory.currentLife().reason != nil) == isCrash)
            #expect(!isCrash || JobDirectory.all(directory.jobs).allSatisfy { $0.ended != nil })
            #expect((try? SandboxDirectory.find("web", in: home).id) == directory.id)
        }
        #expect(FileTree.exists(directory.upperDisk))
        guard let lock = try? directory.claim() else {
            Issue.record("it cannot be claimed")
            return
        }
        withExtendedLifetime(lock) { directory.remove() }
        #expect(isEmpty)
    }

    private var isEmpty: Bool {
        (try? FileTree.names(in: home.run)) == [] && (try? SandboxDirectory.all(in: home)) == []
    }

    @Test("a sandbox that was just being made is gone, and its name is free")
    func unfinished() throws {
        let directory = try fail(SandboxLife(.starting, supervisor: 1), [:])
        SandboxDirectory.sweep(home)
        #expect(isEmpty && !FileTree.exists(directory.record))
    }

    @Test("a sandbox that was just being started again keeps its files")
    func startedAgain() throws {
        let directory = try fail(SandboxLife(.starting, started: 5, restarts: 3, supervisor: 1), [:])
        SandboxDirectory.sweep(home)
        #expect(directory.currentLife().status == .crashed)
        #expect(FileTree.exists(directory.upperDisk))
    }

    @Test("whoever claims a sandbox gets it although others ask for its owner all the time")
    func askedAbout() async throws {
        let directory = try fail(SandboxLife(.stopped, started: 5), [:])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { for _ in 0..<20_000 { _ = directory.isOwned } } }
            group.addTask {
                for _ in 0..<200 {
                    do {
                        let lock = try directory.claim()
                        // A child of another test may hold a copy of the descriptor for a moment.
                        flock(lock.descriptor.rawValue, LOCK_UN)
                        directory.release()
                    } catch { Issue.record("\(error)") }
                }
            }
        }
    }

    @Test("whoever claims a sandbox that has just ended waits for its owner, who is still taking leave")
    func takingLeave() throws {
        let directory = try fail(SandboxLife(.running, started: 5, supervisor: 1), [:])
        let owner = try directory.claim()
        try RecordFile.write(SandboxLife(.running, started: 6, supervisor: 1), to: directory.life)
        #expect(throws: StateError.self) { try directory.claim() }
        try RecordFile.write(SandboxLife(.stopped, started: 6), to: directory.life)
        // In a thread of its own, which no other test keeps waiting for longer than a claim waits.
        try DedicatedThread.start {
            usleep(100_000)
            directory.release()
            flock(owner.descriptor.rawValue, LOCK_UN)
        }
        let lock = try directory.claim()
        #expect(directory.isOwned)
        flock(lock.descriptor.rawValue, LOCK_UN)
        directory.release()
    }

    @Test("whoever finds a sandbox at rest that another has just claimed to start it hears so when it starts")
    func claimedToStart() async throws {
        let directory = try fail(SandboxLife(.stopped, started: 5), [:])
        let owner = try directory.claim()
        let other = Task.detached { try directory.claim() }
        try await Task.sleep(for: .milliseconds(100))
        try RecordFile.write(SandboxLife(.starting, started: 6, supervisor: 1), to: directory.life)
        await #expect(throws: StateError.self) { try await other.value }
        flock(owner.descriptor.rawValue, LOCK_UN)
        directory.release()
    }
}
