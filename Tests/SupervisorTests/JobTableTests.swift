import LinuxSystem
import SandboxState
import Testing

@testable import Supervisor

@Suite struct JobTableTests {
    private let sandbox: TestSandbox
    private let job = JobSpecification(arguments: ["sleep", "1"])

    init() throws { sandbox = try TestSandbox() }

    @Test("numbers go on where an earlier life ended")
    func numbers() throws {
        var table = JobTable(sandbox.directory)
        #expect(try table.addBackground(job) == 1)
        #expect(try table.addBackground(job) == 2)
        var next = JobTable(sandbox.directory)
        #expect(try next.addBackground(job) == 3)
        #expect(next.records.map(\.number) == [1, 2, 3])
    }

    @Test("the status of a job that ended is kept, and a later one does not replace it")
    func status() throws {
        var table = JobTable(sandbox.directory)
        let number = try table.addBackground(job)
        table.started(number, pid: 9)
        table.ended(number, status: 3)
        table.machineEnded()
        let record = try #require(JobDirectory.all(sandbox.directory.jobs).first)
        #expect(record.exitStatus == 3 && record.reason == nil && record.pid == 9)
    }

    @Test("jobs that end with their machine have no status, but a reason")
    func machineEnded() throws {
        var table = JobTable(sandbox.directory)
        _ = try table.addBackground(job)
        table.machineEnded()
        let record = try #require(JobDirectory.all(sandbox.directory.jobs).first)
        #expect(record.ended != nil && record.exitStatus == nil && record.reason == "its machine ended")
    }

    @Test("the oldest ended jobs are dropped, those that run are not")
    func bounded() throws {
        var table = JobTable(sandbox.directory)
        let running = try table.addBackground(job)
        for _ in 0..<280 { table.ended(try table.addBackground(job), status: 0) }
        let numbers = table.records.map(\.number)
        #expect(numbers.contains(running) && numbers.contains(281))
        #expect(numbers.count <= 258)
        #expect(try FileTree.names(in: sandbox.directory.jobs).count == numbers.count)
    }

    @Test("output is in the log in order, and the log says how the job ended")
    func log() throws {
        var table = JobTable(sandbox.directory)
        let number = try table.addBackground(job)
        table.output(number, .output, Array("out".utf8))
        table.output(number, .error, Array("err".utf8))
        table.ended(number, status: 4)
        var reader = JobLogReader(path: sandbox.directory.job(number) + "/" + JobDirectory.logName)
        var records: [JobLogReader.Record] = []
        while let record = try reader.record() { records.append(record) }
        #expect(records.map(\.channel) == [.output, .error, .end])
        #expect(records.map { String(decoding: $0.bytes, as: UTF8.self) } == ["out", "err", "4"])
    }
}
