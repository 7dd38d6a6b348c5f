import AgentProtocol
import SandboxState
import Testing

@testable import Supervisor

@Suite struct MountPlanTests {
    private func volume(_ target: String) throws -> SandboxMount {
        try .volume(#require(VolumeName("data")), at: target)
    }

    @Test("memory is mounted with the machine, above before below, unless it lies in what the host serves")
    func memory() throws {
        let plan = MountPlan([
            try .memory(at: "/a/b", size: 1 << 20), try .memory(at: "/a", mode: 0o700), try volume("/w"),
            try .memory(at: "/w/tmp"),
        ])
        #expect(plan.configured.map(\.target) == ["/a", "/a/b"])
        #expect(plan.configured.map(\.options) == ["nosuid,nodev,mode=700", "nosuid,nodev,mode=1777,size=1048576"])
        #expect(plan.stages == [[2], [3]])
    }

    @Test("what lies in another mount is mounted after it, whatever the order")
    func nested() throws {
        let plan = MountPlan([
            try volume("/w/a/b"), try volume("/w"), try volume("/wide"), try volume("/w/a"),
            try .memory(at: "/w/a/b/c"),
        ])
        #expect(plan.configured == [])
        #expect(plan.stages == [[1, 2], [3], [0], [4]])
        #expect(MountPlan([]).stages == [])
    }
}
