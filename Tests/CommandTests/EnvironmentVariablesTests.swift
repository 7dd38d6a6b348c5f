import ControlClient
import Glibc
import LinuxSystem
import Testing

@testable import sandpiper

@Suite struct EnvironmentVariablesTests {
    private let host: @Sendable (String) -> String? = { ["HOME": "/root", "EMPTY": ""][$0] }

    @Test(
        "a pair is taken as it is, and a name alone takes the host's value",
        arguments: [("A=1", "A=1"), ("A=", "A="), ("A=b=c", "A=b=c"), ("HOME", "HOME=/root"), ("EMPTY", "EMPTY=")])
    func pairs(_ text: String, _ pair: String) throws {
        #expect(try EnvironmentVariables.pair(text, in: host) == pair)
    }

    @Test("a name that the host does not have is left out")
    func absent() throws { #expect(try EnvironmentVariables.pair("ABSENT", in: host) == nil) }

    @Test("what has no name, or a name with spaces, is refused", arguments: ["", "=1", "A B=1", "A\0=1"])
    func malformed(_ text: String) {
        #expect(throws: Failure.self) { try EnvironmentVariables.pair(text, in: self.host) }
    }

    @Test("a file has a pair a line; comments and empty lines are left out")
    func file() throws {
        let path = "/tmp/sandpiper-env-\(getpid())"
        defer { unlink(path) }
        try FileTree.writeAtomically(Array("# a comment\n\nA=1\n  B=two words\nHOME\r\nABSENT\n".utf8), to: path)
        #expect(try EnvironmentVariables.file(path, in: host) == ["A=1", "B=two words", "HOME=/root"])
    }

    @Test("a later pair replaces an earlier one of the same name, in its place")
    func merged() {
        #expect(EnvironmentList.merged(["A=1", "B=2", "A=3", "AB=4"]) == ["A=3", "B=2", "AB=4"])
    }
}

@Suite struct RunOptionsTests {
    @Test(
        "what follows the image belongs to the command",
        arguments: [
            (["busybox", "ls", "-la"], ["busybox", "ls", "-la"]), (["busybox", "--", "ls"], ["busybox", "--", "ls"]),
            (["-it", "-e", "A=1", "busybox", "--help"], ["busybox", "--help"]),
            (["--cpus", "2", "busybox", "--cpus", "3"], ["busybox", "--cpus", "3"]),
        ])
    func passthrough(_ arguments: [String], _ imageAndCommand: [String]) throws {
        let run = try #require(try Sandpiper.parseAsRoot(["run"] + arguments) as? Run)
        #expect(run.target.words == imageAndCommand)
    }

    @Test(
        "nonsense is refused before anything is made",
        arguments: [
            [], ["--bogus", "busybox"], ["--cpus", "0", "busybox"], ["--cpus", "x", "busybox"],
            ["--memory", "5q", "busybox"],
            ["--memory", "1k", "busybox"], ["--disk", "-1", "busybox"], ["--timeout", "0", "busybox"],
            ["--name", "a b", "busybox"], ["-w", "relative", "busybox"], ["--memory"],
        ])
    func nonsense(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try Sandpiper.parseAsRoot(["run"] + arguments) }
    }
}
