import Glibc
import LinuxSystem
import NetworkAddress
import Testing

@testable import SandboxState

@Suite("Private networks") final class PrivateNetworkTests {
    private let home = Home(
        path: (getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/networks-\(UInt64.random(in: .min ... .max))"
    )

    deinit { try? FileTree.removeTree(home.path) }

    private func name(_ text: String) throws -> NetworkName { try #require(NetworkName(text)) }

    private func sandbox(
        _ name: String?, _ networks: [String], isShort: Bool = false
    ) throws -> (SandboxDirectory, FileLock, SandboxRecord) {
        let id = SandboxID()
        var record = SandboxRecord(
            id: id, name: name.flatMap { SandboxName($0) }, image: "busybox", imageDigest: "sha256:0",
            limits: SandboxLimits(), kernel: "/k", initramfs: "/i", created: 1, endsWithClient: isShort)
        var settings = NetworkSettings()
        settings.networks = networks
        record.networkSettings = settings
        let lock = try SandboxDirectory.create(record, in: home)
        return (SandboxDirectory(id, in: home), lock, record)
    }

    @Test("a network is made once, has addresses that no other has, and is listed by name")
    func making() throws {
        let networks = try (0..<20).map { try PrivateNetwork.create(name("net-\($0)"), labels: ["k": "v"], in: home) }
        #expect(throws: StateError.self) { try PrivateNetwork.create(name("net-3"), in: home) }
        #expect(try PrivateNetwork.all(in: home).count == 20)
        let records = try networks.map { try $0.record }
        for (index, record) in records.enumerated() {
            #expect(record.labels == ["k": "v"] && record.subnet.v4.length == 22 && record.subnet.v6.length == 64)
            #expect("\(record.subnet.v4)".hasPrefix("10.") && "\(record.subnet.v6)".hasPrefix("fd"))
            for other in records[..<index] {
                #expect(!other.subnet.overlaps(record.subnet.v4) && other.subnet.v6 != record.subnet.v6)
            }
        }
        for text in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "ä", String(repeating: "a", count: 64)] {
            #expect(NetworkName(text) == nil)
        }
    }

    @Test("addresses can be chosen, but none of others and none of the internet")
    func chosen() throws {
        func create(_ text: String, _ range: String) throws -> PrivateNetwork {
            try PrivateNetwork.create(name(text), range: AddressRange(range), in: home)
        }
        #expect(try create("a", "192.168.77.0/24").record.subnet.v4 == AddressRange("192.168.77.0/24"))
        for range in ["192.168.77.0/25", "192.168.0.0/16", "8.8.8.0/24", "10.0.0.0/8", "10.0.0.0/30", "fd00::/64"] {
            #expect(throws: StateError.self) { try create("b", range) }
        }
        #expect(try PrivateNetwork.all(in: home).map(\.name.description) == ["a"])
    }

    @Test("what a crash left of making or removing one is gone with the next")
    func leftovers() throws {
        try PrivateNetwork.create(name("a"), in: home)
        for draft in [".new-1", ".old-2"] { try FileTree.makeDirectory("\(home.networks)/\(draft)/deep") }
        #expect(try PrivateNetwork.all(in: home).map(\.name.description) == ["a"])
        try PrivateNetwork.create(name("b"), in: home)
        #expect(try FileTree.names(in: home.networks) == ["a", "b"])
    }

    @Test("a sandbox has an address as long as it is there, and the network stays as long as it has one")
    func members() throws {
        #expect(throws: StateError.self) { try sandbox("early", ["a"]) }
        #expect(try SandboxDirectory.all(in: home).isEmpty && FileTree.names(in: home.run).isEmpty)
        let network = try PrivateNetwork.create(name("a"), in: home)
        let (one, lock, record) = try sandbox("one", ["a"])
        let (other, otherLock, _) = try sandbox(nil, ["a"])
        let places = try PrivateNetwork.memberships(of: record, in: home)
        #expect(try PrivateNetwork.memberships(of: record, in: home).map(\.addresses) == places.map(\.addresses))
        #expect(places.first?.interfaceAddresses.map { $0.split(separator: "/")[1] } == ["22", "64"])
        #expect(try network.members().all.map(\.name) == ["one", nil])
        let error = #expect(throws: StateError.self) { try network.remove() }
        #expect(error?.description.contains("belongs to the sandboxes one, ") == true)

        try one.rename(to: SandboxName("uno"))
        #expect(try network.members().all.map(\.name) == ["uno", nil])
        try RecordFile.write(SandboxLife(.stopped), to: one.life)
        withExtendedLifetime(lock) { one.release() }
        #expect(try network.members().all.count == 2)
        let again = try one.claim()
        withExtendedLifetime(again) { one.remove() }
        #expect(try network.members().all.map(\.id) == ["\(other.id)"])
        // A supervisor removes the files itself, and gives up the rest after that.
        withExtendedLifetime(otherLock) {
            other.removeFiles()
            other.release()
        }
        #expect(try network.members().all.isEmpty)
        try network.remove()
        #expect(try FileTree.names(in: home.networks).isEmpty)
    }

    @Test("who has vanished without a word is struck out, and who has lost his place gets one")
    func swept() throws {
        let network = try PrivateNetwork.create(name("a"), in: home)
        let (one, _, record) = try sandbox("one", ["a"])
        try FileTree.removeFile(network.membersPath)
        #expect(try PrivateNetwork.memberships(of: record, in: home).count == 1)
        try FileTree.removeTree(one.path)
        try FileTree.removeTree("\(home.run)/\(one.id)")
        #expect(try network.members().all.count == 1)
        PrivateNetwork.sweep(home)
        #expect(try network.members().all.isEmpty)
    }

    @Test("addresses that were given back are used again, the oldest first, and never run out by use")
    func reuse() {
        var members = NetworkMembers()
        var present: Set<String> = []
        func add(_ id: String) -> UInt32? {
            present.insert(id)
            return members.add(id, name: nil, numbers: 2...6)?.number
        }
        func remove(_ id: String) {
            present.remove(id)
            #expect(members.renew { present.contains($0) ? .some(nil) : nil })
        }
        #expect((0..<5).map { add("a\($0)") } == [2, 3, 4, 5, 6])
        #expect(add("b") == nil && add("a2") == 4)
        present.remove("b")
        for round in 0..<50 {
            remove(round == 0 ? "a1" : "c\(round - 1)")
            #expect(add("c\(round)") == 3)
        }
        remove("a0")
        remove("a3")
        // What was free longest is not what comes next, but what is far from the last.
        #expect(add("d") == 5 && add("e") == 2 && members.all.map(\.number) == [2, 3, 4, 5, 6])
    }

    @Test("records that are damaged are none")
    func damaged() throws {
        for text in [
            #"{"v4":"8.8.8.0/24","v6":"fd00::/64"}"#, #"{"v4":"10.0.0.0/4","v6":"fd00::/64"}"#,
            #"{"v4":"10.0.0.0/22","v6":"2001:db8::/64"}"#, #"{"v4":"10.0.0.0/22","v6":"fd00::/48"}"#,
            #"{"v4":"fd00::/22","v6":"fd00::/64"}"#, #"{"v4":"10.0.0.0/22"}"#,
        ] {
            #expect(throws: StateError.self) {
                try RecordFile.decode(PrivateSubnet.self, from: Array(text.utf8), named: "x")
            }
        }
    }
}
