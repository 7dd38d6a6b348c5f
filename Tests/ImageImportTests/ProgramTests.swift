import Foundation
import OCI
import Testing

@Suite("The program for images")
struct ProgramTests {
    let home: Home
    let real: RealImages

    init() throws {
        home = try Home()
        real = try RealImages.shared.get()
    }

    @Test("load prints what the image can be run by, from a file, from standard input and from a pipe")
    func loads() throws {
        #expect(try home.run("load", real.docker).text == "busybox:1\n")
        #expect(try home.run("load", input: real.docker).text == "busybox:1\n")
        #expect(try home.run("load", "-", input: real.oci + ".zst").text == "localhost:5000/a/busybox:2\n")
        let piped = try Tool.run(
            ["sh", "-c", "cat \(real.docker).gz | \(Tool.image) load --name piped"], environment: home.environment)
        #expect(piped.text == "piped:latest\n")
        try home.checkWhole()
    }

    @Test("load --format json prints reference and digest of each image")
    func printsJSON() throws {
        struct Line: Decodable, Equatable {
            let reference: String
            let digest: String
        }
        let outcome = try home.run("load", real.oci, "--format", "json")
        let lines = try JSONDecoder().decode([Line].self, from: outcome.output)
        #expect(try lines == [Line(reference: "localhost:5000/a/busybox:2", digest: real.manifestDigest())])
    }

    @Test("images, inspect and rmi agree on an image, named by reference or by the beginning of its digest")
    func lists() throws {
        _ = try home.run("load", real.docker)
        let digest = try home.run("images", "-q").text.trimmingCharacters(in: .newlines)
        #expect(try home.run("images").text.contains("busybox:1"))
        let listed =
            try JSONSerialization.jsonObject(with: home.run("images", "--format", "json").output) as? [[String: Any]]
        #expect(listed?.first?["digest"] as? String == digest)
        for name in ["busybox:1", digest, String(digest.dropFirst(7).prefix(4)), String(digest.prefix(12))] {
            let shown = try JSONSerialization.jsonObject(with: home.run("inspect", name).output) as? [[String: Any]]
            #expect(shown?.first?["digest"] as? String == digest)
            #expect(shown?.first?["command"] as? [String] == ["echo", "hello world"])
        }
        let removed = try home.run("rmi", String(digest.dropFirst(7).prefix(6)))
        #expect(removed.text == "Untagged: busybox:1\nDeleted: \(digest)\n")
        #expect(try home.files().isEmpty)
    }

    @Test(
        "failures are one line on standard error and status 125",
        arguments: [["load", "/nonexistent"], ["load", "/etc/passwd"], ["inspect", "nothing"], ["rmi", "nothing"]])
    func fails(arguments: [String]) throws {
        let outcome = try Tool.run([Tool.image] + arguments, environment: home.environment)
        #expect(outcome.status == 125)
        #expect(outcome.output.isEmpty)
        #expect(
            outcome.error.hasPrefix("sandpiper: ") && outcome.error.split(separator: "\n").count == 1,
            "\(outcome.error)")
        #expect(try home.files().isEmpty)
    }

    @Test(
        "nonsense in the arguments is status 125 and changes nothing",
        arguments: [["load", "--name", "A:"], ["load", "--format", "xml"], ["inspect"], ["rmi"], ["sing"]])
    func refuses(arguments: [String]) throws {
        #expect(try Tool.run([Tool.image] + arguments, environment: home.environment).status == 125)
    }

    @Test("rmi removes what it can and tells the rest")
    func removesSome() throws {
        _ = try home.run("load", real.docker)
        let outcome = try home.run("rmi", "nothing", "busybox:1")
        #expect(outcome.status == 125)
        #expect(outcome.error.contains("nothing") && outcome.text.contains("Deleted"))
    }

    @Test("a home that is no absolute path is refused")
    func refusesRelativeHomes() throws {
        #expect(try Tool.run([Tool.image, "images"], environment: ["SANDPIPER_HOME": "relative"]).status == 125)
    }

    @Test("a signal ends a load, and it leaves nothing", arguments: [SIGINT, SIGTERM, SIGHUP])
    func endsBySignal(signal: Int32) throws {
        let (process, pipe) = try startSlowLoad()
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == signal)
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.scratch.path + "/store/tmp").isEmpty)
        withExtendedLifetime(pipe) {}
    }

    @Test(
        "what a killed load leaves, the next command of any kind removes",
        arguments: [["images"], ["load", "X"], ["rmi", "x"]])
    func sweepsAfterKill(arguments: [String]) throws {
        let (process, pipe) = try startSlowLoad()
        let temporary = home.scratch.path + "/store/tmp"
        // Not while it lives.
        _ = try home.run("images")
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).count == 1)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).count == 1)
        _ = try Tool.run([Tool.image] + arguments, environment: home.environment)
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).isEmpty)
        withExtendedLifetime(pipe) {}
    }

    /// A load that waits for the rest of its archive, which does not come before the pipe is closed.
    private func startSlowLoad() throws -> (Process, Pipe) {
        let pipe = Pipe()
        let process = try Tool.start([Tool.image, "load"], input: pipe, environment: home.environment)
        let archive = try Data(contentsOf: URL(fileURLWithPath: real.docker))
        // More than the pipe holds: when it is written, the load reads already and so has its workspace.
        try pipe.fileHandleForWriting.write(contentsOf: archive.prefix(1 << 20))
        return (process, pipe)
    }
}
