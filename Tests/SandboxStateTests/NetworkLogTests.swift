import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("The log of a network") final class NetworkLogTests {
    private let home = Home(path: "/tmp/sandpiper-network-log-\(getpid())-\(UInt32.random(in: .min ... .max))")
    private let directory: SandboxDirectory

    init() throws {
        directory = SandboxDirectory(SandboxID(), in: home)
        try FileTree.makeDirectory(home.path)
        try FileTree.makeDirectory(home.sandboxes)
        try FileTree.makeDirectory(directory.path)
    }

    deinit { try? FileTree.removeTree(home.path) }

    private func event(_ detail: String) -> NetworkEvent {
        var event = NetworkEvent(.deny, "\(directory.id)", .egress, "tcp")
        event.detail = detail
        return event
    }

    /// Whether a watch has something to tell, at this moment or within a while.
    private func isReady(_ watch: NetworkLogWatch, within milliseconds: Int32 = 5000) -> Bool {
        var descriptor = pollfd(fd: watch.changed.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, milliseconds) == 1
    }

    @Test("whoever watches is woken by what is written from then on, also when there was nothing before")
    func watching() throws {
        let log = NetworkLog(directory)
        var watch = try NetworkLogWatch(directory)
        #expect(!isReady(watch, within: 0))
        log.append([event("first")])
        #expect(isReady(watch))
        #expect(try watch.events()?.map(\.detail) == ["first"])
        #expect(!isReady(watch, within: 0))
        var other = try NetworkLogWatch(directory)
        log.append([event("second"), event("third")])
        #expect(isReady(watch) && isReady(other))
        #expect(try watch.events()?.map(\.detail) == ["second", "third"])
        #expect(try other.events()?.map(\.detail) == ["second", "third"])
        #expect(try watch.events() == [])
    }

    @Test("what else is written to the sandbox's files wakes nobody")
    func otherFiles() throws {
        let disk = try Descriptor(opening: directory.path + "/disk", O_WRONLY | O_CREAT)
        let watch = try NetworkLogWatch(directory)
        try disk.write([1, 2, 3])
        #expect(!isReady(watch, within: 0))
    }

    @Test("none is missed when the log begins anew")
    func rotation() throws {
        let log = NetworkLog(directory)
        let long = String(repeating: "x", count: 60_000)
        var watch = try NetworkLogWatch(directory)
        var seen: [NetworkEvent] = []
        for number in 0..<200 {
            var event = event(long)
            event.count = number
            log.append([event])
            if number % 3 == 0 {
                #expect(isReady(watch))
                seen += try watch.events() ?? []
            }
        }
        seen += try watch.events() ?? []
        #expect(seen.map(\.count) == Array(0..<200))
        var late = try NetworkLogWatch(directory)
        #expect(try late.events() == [])
        // Begun anew, and nothing in it yet.
        try FileTree.rename(log.path, to: log.path + ".1")
        var later = try NetworkLogWatch(directory)
        log.append([event("after")])
        #expect(isReady(late) && isReady(later))
        #expect(try late.events()?.map(\.detail) == ["after"])
        #expect(try later.events()?.map(\.detail) == ["after"])
    }

    @Test("what was written last is told, and that the sandbox has gone")
    func removal() throws {
        var watch = try NetworkLogWatch(directory)
        NetworkLog(directory).append([event("first")])
        #expect(try watch.events()?.count == 1)
        NetworkLog(directory).append([event("last")])
        try FileTree.removeTree(directory.path)
        #expect(isReady(watch))
        #expect(try watch.events()?.map(\.detail) == ["last"])
        #expect(try watch.events() == nil)
        #expect(throws: SystemError.self) { try NetworkLogWatch(directory) }
    }

    @Test("the last step of the removal wakes too")
    func lastStep() throws {
        NetworkLog(directory).append([event("first")])
        var watch = try NetworkLogWatch(directory)
        NetworkLog(directory).append([event("second")])
        #expect(try watch.events()?.count == 1)
        try FileTree.removeFile(NetworkLog(directory).path)
        #expect(isReady(watch))
        #expect(try watch.events() == [])
        #expect(!isReady(watch, within: 0))
        try FileTree.removeTree(directory.path)
        #expect(isReady(watch))
        #expect(try watch.events() == nil)
    }

    @Test("what is no event is passed over")
    func damage() throws {
        let log = NetworkLog(directory)
        var watch = try NetworkLogWatch(directory)
        let file = try Descriptor(opening: log.path, O_WRONLY | O_CREAT | O_APPEND)
        try file.write(Array("\n{}\n\u{0}\n{\"action\":\"dance\"}\n".utf8) + [0xff, 10])
        log.append([event("fine")])
        #expect(try watch.events()?.map(\.detail) == ["fine"])
        #expect(log.events().map(\.detail) == ["fine"])
    }
}
