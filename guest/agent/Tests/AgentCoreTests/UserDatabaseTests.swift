import Testing

@testable import AgentCore

@Suite("The image's users")
struct UserDatabaseTests {
    private let users = UserDatabase(
        passwd: Array(
            """
            root:x:0:0:root:/root:/bin/sh
            daemon:x:1:1::/usr/sbin:
            alice:x:1000:1000:Alice,,,:/home/alice:/bin/sh
            1001:x:2001:2001::/home/number:/bin/sh
            bob:x:1001:1001::relative:/bin/sh
            short:x:7:8
            huge:x:4294967295:0::/:
            minus:x:-1:0::/:
            word:x:ten:0::/:

            """.utf8),
        group: Array(
            """
            root:x:0:
            alice:x:1000:
            devs:x:2000:bob,alice
            more:x:2001:alice
            again:x:2000:alice
            nomembers:x:5
            bad:x:99999999999:alice
            """.utf8))

    private func identity(_ specification: String) throws -> UserDatabase.Identity {
        try users.identity(for: specification)
    }

    @Test("nobody named means root")
    func root() throws {
        #expect(try identity("") == .init(user: 0, group: 0, supplementaryGroups: [0], home: "/root"))
    }

    @Test("a user has the groups that list the name, each once, and the own one first")
    func groups() throws {
        let alice = UserDatabase.Identity(
            user: 1000, group: 1000, supplementaryGroups: [1000, 2000, 2001], home: "/home/alice")
        #expect(try identity("alice") == alice)
        #expect(try identity("1000") == alice)
        #expect(try identity("alice:") == alice)
    }

    @Test("a group that is asked for is the only one")
    func askedGroup() throws {
        #expect(try identity("alice:devs").supplementaryGroups == [2000])
        #expect(try identity("alice:2001").group == 2001)
        #expect(try identity(":devs") == .init(user: 0, group: 2000, supplementaryGroups: [2000], home: "/root"))
    }

    @Test("a number needs no line in either file")
    func unknownNumbers() throws {
        #expect(try identity("77:88") == .init(user: 77, group: 88, supplementaryGroups: [88], home: "/"))
        #expect(try identity("4294967294").user == 4_294_967_294)
    }

    @Test("a name made of digits wins over the number when it comes first")
    func numericName() throws {
        #expect(try identity("1001").user == 2001)
    }

    @Test("a home that is not absolute is no home")
    func relativeHome() throws {
        #expect(try identity("bob").home == "/")
        #expect(try identity("short") == .init(user: 7, group: 8, supplementaryGroups: [8], home: "/"))
    }

    @Test(
        "who is in no well-formed line is nobody",
        arguments: ["carol", "huge", "minus", "word", "4294967295", "-1", "1e3", " 0"])
    func unknown(_ name: String) {
        #expect(throws: UserDatabase.LookupError.noSuchUser(name)) { try identity(name) }
    }

    @Test("a group of no well-formed line is none", arguments: ["carol", "bad", "4294967295"])
    func unknownGroup(_ name: String) {
        #expect(throws: UserDatabase.LookupError.noSuchGroup(name)) { try identity("0:\(name)") }
    }

    @Test("a line with NUL does not exist")
    func nul() {
        let users = UserDatabase(passwd: Array("eve:x:0:0\0::/:\n".utf8), group: [])
        #expect(throws: UserDatabase.LookupError.noSuchUser("eve")) { try users.identity(for: "eve") }
    }

    @Test("without files only numbers are somebody")
    func noFiles() throws {
        let users = UserDatabase(passwd: [], group: [])
        #expect(try users.identity(for: "") == .init(user: 0, group: 0, supplementaryGroups: [0], home: "/"))
        #expect(throws: UserDatabase.LookupError.noSuchUser("root")) { try users.identity(for: "root") }
    }

    @Test("more groups than a process can have are refused and not cut off")
    func tooManyGroups() {
        let lines = (1...UserDatabase.mostGroups).map { "g:x:\($0):root\n" }.joined()
        let users = UserDatabase(passwd: Array("root:x:0:0::/:\n".utf8), group: Array(lines.utf8))
        #expect(throws: UserDatabase.LookupError.tooManyGroups) { try users.identity(for: "root") }
    }

    @Test("random bytes are read without a trap")
    func randomBytes() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("a0:\n,9\0\r".utf8) + [0xFF]
        for _ in 0..<500 {
            let bytes = (0..<200).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let users = UserDatabase(passwd: bytes, group: bytes)
            for name in ["", "a", "0", "9:9", "a:a"] { _ = try? users.identity(for: name) }
        }
    }
}
