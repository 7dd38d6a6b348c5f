import Checkpoint
import Testing

@testable import Engine

@Suite("What belongs to a frozen engine") struct FrozenEngineTests {
    private let layout = FrozenEngine.Layout(
        checkpoint: Checkpoint(
            descriptors: [
                .init(number: 0, kind: .file(device: 0, inode: 0), isNonblocking: false),
                .init(number: 3, kind: .event(count: 12), isNonblocking: true),
                .init(number: 4, kind: .signals(mask: 1 << 63), isNonblocking: true),
                .init(number: 5, kind: .poll, isNonblocking: false),
                .init(number: 7, kind: .file(device: 0, inode: 0), isNonblocking: true),
                .init(number: 9, kind: .file(device: 0, inode: 0), isNonblocking: false),
            ], program: 10, files: 2),
        roles: [0: .input, 7: .slot(128), 9: .disk(2)], memoryAddress: 1 << 46, isUsed: true)

    @Test("comes back from its text")
    func roundTrip() {
        #expect(FrozenEngine.Layout(text: layout.text) == layout)
        for role in [
            EngineRole.console, .agent, .control, .network, .input, .messages, .random, .memory, .disk(0), .slot(7),
            .unused,
        ] {
            #expect(EngineRole(words: role.text.split(separator: " ")[...]) == role)
        }
    }

    @Test(
        "is refused when its text is anything else",
        arguments: [
            "", "10\n", "10 1 4096\n", "10 0 4096 new\n", "-1 1 4096 new\n", "99999 1 4096 new\n",
            "10 1 -1 new\n", "10 1 4096 old\n", "10 1 4096 new\n10 blocking input\n",
            "10 1 4096 new\n-1 blocking input\n", "10 1 4096 new\n3 blocking\n",
            "10 1 4096 new\n3 blocking teapot\n", "10 1 4096 new\n3 blocking event\n",
            "10 1 4096 new\n3 blocking event -1\n", "10 1 4096 new\n3 blocking slot x\n",
            "10 1 4096 new\n3 blocking poll 1\n",
        ])
    func damaged(_ text: String) { #expect(FrozenEngine.Layout(text: text) == nil) }

    @Test("is refused with a file that the engine was not given")
    func foreignFile() {
        let checkpoint = Checkpoint(
            descriptors: [.init(number: 3, kind: .file(device: 1, inode: 2), isNonblocking: false)], program: 4,
            files: 1)
        #expect(throws: EngineError.self) {
            try FrozenEngine.Layout(checkpoint, [:], memoryAddress: 0, isUsed: false)
        }
    }
}
