import SandboxState
import Testing

@testable import sandpiper

@Suite("A list of sandboxes") struct ListTests {
    private func entry(
        _ name: String? = nil, image: String = "busybox", labels: [String: String] = [:],
        _ life: SandboxLife = .init(.running)
    ) -> SandboxEntry {
        let id = SandboxID()
        var record = SandboxRecord(
            id: id, name: name.flatMap { SandboxName($0) }, image: image, imageDigest: "sha256:0",
            limits: SandboxLimits(), kernel: "/k", initramfs: "/i", created: 0)
        record.labels = labels
        return SandboxEntry(SandboxDirectory(id, in: Home(path: "/nonexistent")), record, life)
    }

    private func filters(_ texts: String...) throws -> [SandboxFilter] {
        try texts.map { try #require(SandboxFilter(argument: $0)) }
    }

    @Test(
        "what is no filter is refused",
        arguments: ["", "name", "name=", "=x", "colour=red", "status=asleep", "Name=x"])
    func noFilter(_ text: String) { #expect(SandboxFilter(argument: text) == nil) }

    @Test("is filtered by any part of the name and the start of the id")
    func nameAndID() throws {
        let web = entry("web-1")
        #expect(try filters("name=eb-").matches(web))
        #expect(try !filters("name=db").matches(web))
        #expect(try !filters("name=x").matches(entry()))
        #expect(try filters("id=" + web.record.id.prefix(4)).matches(web))
        #expect(try !filters("id=" + web.record.id.dropFirst()).matches(web))
    }

    @Test("is filtered by the image with and without its tag")
    func image() throws {
        let entry = entry(image: "registry:5000/team/app:1")
        #expect(try filters("image=registry:5000/team/app:1").matches(entry))
        #expect(try filters("image=registry:5000/team/app").matches(entry))
        #expect(try !filters("image=registry:5000/team/ap").matches(entry))
    }

    @Test("filters of one key are alternatives, labels must all be there, and so must each key")
    func combinations() throws {
        let labelled = entry("web", labels: ["tier": "front", "empty": ""])
        #expect(try filters("name=db", "name=web").matches(labelled))
        #expect(try filters("label=tier", "label=empty").matches(labelled))
        #expect(try filters("label=tier=front").matches(labelled))
        #expect(try !filters("label=tier=back").matches(labelled))
        #expect(try !filters("label=tier", "label=other").matches(labelled))
        #expect(try !filters("name=web", "status=stopped").matches(labelled))
        #expect([SandboxFilter]().matches(labelled))
    }

    @Test(
        "tells where a sandbox is in its life",
        arguments: [
            (SandboxLife(.created), "created"), (SandboxLife(.running, started: 820), "running 3 minutes"),
            (SandboxLife(.stopped, ended: 0, exitStatus: 0), "stopped (0) 16 minutes ago"),
            (SandboxLife(.stopped, ended: 999), "stopped 1 second ago"),
            (SandboxLife(.crashed, reason: "it\u{1B}[2J broke"), "crashed: it\\u{1b}[2J broke"),
            (SandboxLife(.running), "running"),
        ])
    func summary(_ life: SandboxLife, _ text: String) { #expect(life.summary(now: 1000) == text) }

    @Test("a clock that went back, or a time out of all bounds, is no trap")
    func clocks() {
        #expect(SandboxLife(.running, started: .max).summary(now: .min) == "running 1 second")
        #expect(SandboxLife(.running, started: 2000).summary(now: 1000) == "running less than a second")
    }
}

@Suite("A limit") struct LimitReportTests {
    private let limits = SandboxLimits(processes: 10, maximumDuration: 1000, cpuPercent: 50, diskRate: 1 << 20)
    private let engine = EngineRecord(
        engine: "portable", accelerator: "kvm", reason: nil, binary: "/q", pid: 1, walls: [], missingWalls: [])

    @Test("holds in a running machine; one of the host's control groups only where there is one")
    func withoutGroup() {
        let reports = LimitReport.all(limits, SandboxLife(.running), engine: engine) { _, _ in nil }
        #expect(reports.filter(\.holds).map(\.limit) == ["cpus", "memory", "disk", "processes", "maximumDuration"])
        #expect(reports.filter { !$0.holds }.map(\.limit) == ["cpuPercent", "diskRate"])
        #expect(reports.allSatisfy { $0.holds == ($0.reason == nil) })
    }

    @Test(
        "of the processor holds where the engine's group grants no more",
        arguments: [
            ("50000 100000\n", true), ("60000 100000\n", false), ("max 100000\n", false), ("1 0", false), ("", false),
        ])
    func processor(_ setting: String, _ holds: Bool) {
        let reports = LimitReport.all(limits, SandboxLife(.running), engine: engine) { $1 == "cpu.max" ? setting : nil }
        #expect(reports.first { $0.limit == "cpuPercent" }?.holds == holds)
    }

    @Test(
        "of the disk holds where the engine's group reads and writes no faster",
        arguments: [
            ("8:0 rbps=1048576 wbps=1000000 riops=max wiops=max\n", true), ("8:0 rbps=1048576 wbps=max\n", false),
            ("8:0 rbps=2097152 wbps=1\n", false), ("", false),
        ])
    func disk(_ setting: String, _ holds: Bool) {
        let reports = LimitReport.all(limits, SandboxLife(.running), engine: engine) { $1 == "io.max" ? setting : nil }
        #expect(reports.first { $0.limit == "diskRate" }?.holds == holds)
    }

    @Test("does not hold while there is no machine")
    func atRest() {
        let reports = LimitReport.all(limits, SandboxLife(.stopped), engine: nil) { _, _ in nil }
        #expect(reports.allSatisfy { !$0.holds && $0.reason == "the sandbox is not running" })
    }
}
