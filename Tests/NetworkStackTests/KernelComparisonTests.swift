import Foundation
import Testing

/// The kernel of this machine plays the guest, over a TAP device in a namespace of its own; what it and the stack say of
/// a connection must be what two kernels say of the same script. `Tests/StackPeer/compare.py` has the scripts.
@Suite(
    "As the kernel's own TCP",
    .enabled(if: access("/dev/net/tun", R_OK | W_OK) == 0, "there is no /dev/net/tun to compare with the kernel over"))
struct KernelComparisonTests {
    @Test(
        "bytes, their order and the end of connections are the kernel's, over links that lose, delay and double frames",
        arguments: [
            ["bulk to the peer", "nothing said", "refused by the peer", "simultaneous close"],
            ["bulk to the guest", "small messages", "refused by the guest", "reset by the guest"],
            ["bulk both ways", "reset by the peer", "half close by the guest"],
            ["half close by the peer", "begun by the peer", "reset by closing unread"],
            ["reset by the guest, unread", "connections by the hundred"],
            ["reset by the peer, unread"],
            ["stalled by the peer"], ["stalled by the guest"], ["stalled again and again"],
            ["cut while the guest sends"], ["cut while the peer sends"],
        ])
    func comparison(scenarios: [String]) async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["unshare", "-Urn", "python3", "-B", try Self.scripts(), try Self.stackPeer(), "1"] + scenarios
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        let status = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(status == 0, Comment(rawValue: text))
    }

    /// Where the test bundle is.
    private static var folder: String {
        URL(fileURLWithPath: CommandLine.arguments.first ?? "").deletingLastPathComponent().path
    }

    /// The path of the scripts: beside the bundle where that was copied, else among the sources.
    private static func scripts() throws -> String {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        let places = [folder + "/compare.py", tests + "/StackPeer/compare.py"]
        return try #require(places.first { access($0, R_OK) == 0 }, "the scripts are not where they should be")
    }

    /// The path of the program, beside the test bundle in the folder of the build.
    private static func stackPeer() throws -> String {
        let places = [folder, FileManager.default.currentDirectoryPath + "/.build/debug"].map { $0 + "/stack-peer" }
        return try #require(places.first { access($0, X_OK) == 0 }, "stack-peer is not built")
    }
}
