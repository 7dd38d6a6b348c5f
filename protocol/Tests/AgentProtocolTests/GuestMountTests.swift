import AgentProtocol
import Testing

@Suite struct GuestMountTests {
    @Test("a mount comes out of the arguments of its process as it went in", arguments: GuestMount.Kind.allCases)
    func roundTrip(kind: GuestMount.Kind) throws {
        let mount = GuestMount(kind, target: "/a b,c", readOnly: kind == .file, options: "nosuid,size=1")
        let frame = try HostMessage.start(stream: 1, .mount(mount)).frame()
        guard case .start(1, let specification) = try HostMessage(frame) else {
            Issue.record("another message")
            return
        }
        #expect(specification.builtin == .mount)
        #expect(GuestMount(arguments: specification.arguments) == mount)
    }

    @Test(
        "other arguments are none",
        arguments: [
            [], ["file"], ["file", "/x", "ro"], ["disk", "/x", "ro", ""], ["file", "x", "ro", ""],
            ["file", "/x", "", ""],
        ])
    func refused(arguments: [String]) { #expect(GuestMount(arguments: arguments) == nil) }
}
