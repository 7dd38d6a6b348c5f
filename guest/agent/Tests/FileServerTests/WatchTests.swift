import FileProtocol
import Glibc
import Testing

@testable import FileServer

@Suite("Watching files", .timeLimit(.minutes(5)))
struct WatchTests {
    private let served: ServedTree

    init() throws { served = try ServedTree() }

    /// Events until one satisfies the condition, as lines of text.
    private func events(of handle: UInt32, until isLast: (FileEvent) -> Bool) throws -> [String] {
        var lines: [String] = []
        while true {
            guard case .events(let events) = try served.ask(.nextEvents(handle)) else { throw ServedTree.Silence() }
            #expect(!events.isEmpty)
            lines += events.map(line)
            if events.contains(where: isLast) { return lines }
        }
    }

    private func line(_ event: FileEvent) -> String {
        func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
        return switch event {
        case .created(let path): "+ \(text(path))"
        case .modified(let path): "* \(text(path))"
        case .attributesChanged(let path): "a \(text(path))"
        case .removed(let path): "- \(text(path))"
        case .moved(let from, let to): "\(text(from)) > \(text(to))"
        case .overflow: "overflow"
        case .ended: "ended"
        }
    }

    private func created(_ path: String) -> (FileEvent) -> Bool { { $0 == .created(Array(path.utf8)) } }

    @Test("what happens in a directory is told in order, what happens again and again once")
    func order() throws {
        let handle = try served.open(.watch(.root, recursive: false))
        try served.shell(
            """
            echo 1 >root/a; for i in $(seq 50); do echo $i >>root/a; done; chmod 600 root/a; mv root/a root/b
            mv root/b outside/b; mkdir root/d; touch root/d/unseen; rmdir outside/none 2>/dev/null || : >root/end
            """)
        let lines = try events(of: handle, until: created("end"))
        #expect(lines.filter { $0 != "* a" } == ["+ a", "a a", "a > b", "- b", "+ d", "+ end"])
        #expect(lines.count <= 7)
    }

    @Test("a tree that is made while it is watched is told whole, however fast it grows")
    func newTree() throws {
        let handle = try served.open(.watch(.root, recursive: true))
        try served.shell(
            "for i in $(seq 30); do mkdir -p root/t$i/a/b/c && touch root/t$i/a/b/c/file; done; touch root/end")
        let told = Set(try events(of: handle, until: created("end")))
        for number in 1...30 {
            for path in ["t\(number)", "t\(number)/a", "t\(number)/a/b", "t\(number)/a/b/c", "t\(number)/a/b/c/file"] {
                #expect(told.contains("+ \(path)"))
            }
        }
    }

    @Test("a directory that is moved keeps being watched, under its new name")
    func movedDirectory() throws {
        try served.shell("mkdir -p root/old/deep outside/in/deep")
        let handle = try served.open(.watch(.root, recursive: true))
        try served.shell(
            "mv root/old root/new; touch root/new/deep/file; mv root/new outside/gone; touch outside/gone/deep/x")
        try served.shell("mv outside/in root/in; touch root/in/deep/file; touch root/end")
        let lines = try events(of: handle, until: created("end"))
        #expect(lines.contains("old > new") && lines.contains("+ new/deep/file") && lines.contains("- new"))
        #expect(lines.contains("+ in") && lines.contains("+ in/deep") && lines.contains("+ in/deep/file"))
        #expect(!lines.contains { $0.hasSuffix("/x") })
    }

    @Test("a single file is watched until it is gone")
    func file() throws {
        try served.make("file", "1")
        let handle = try served.open(.watch(at("/file"), recursive: true))
        try served.shell("echo 2 >>root/file; chmod 600 root/file; rm root/file")
        let lines = try events(of: handle) { $0 == .ended }
        #expect(lines.first == "* " && lines.suffix(2) == ["- ", "ended"])
        #expect(lines.contains("a "))
    }

    @Test("when too much happens for the kernel to keep, that is told and what comes later is not lost")
    func overflow() throws {
        let handle = try served.open(.watch(.root, recursive: true))
        try served.shell("cd root && seq -f n%06g 1 40000 | xargs touch && mkdir late")
        let lines = try events(of: handle) { $0 == .overflow }
        #expect(lines.contains("overflow"))
        try served.shell("touch root/late/file")
        _ = try events(of: handle, until: created("late/file"))
    }

    @Test("while one request waits for events others are answered, and closing ends the wait")
    func others() throws {
        let handle = try served.open(.watch(.root, recursive: false))
        let waiting = try served.send(.nextEvents(handle))
        #expect(try served.code(.status(.root, followsLinks: true)) == 0)
        #expect(try served.code(.nextEvents(handle)) == EBUSY)
        try served.ask(.close(handle))
        guard case .failed(let failure) = try served.response(to: waiting) else { throw ServedTree.Silence() }
        #expect(failure.code == ECANCELED)
    }
}
