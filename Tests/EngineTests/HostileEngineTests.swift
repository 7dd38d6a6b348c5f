import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("An engine taken over by its guest") struct HostileEngineTests {
    /// Starts the probe in an engine's place.
    private func start(_ arguments: String..., patience: Duration = .seconds(10)) async throws -> QEMUProcess {
        let control = try Descriptor.socketPair()
        let messages = try Descriptor.pipe()
        let jail = EngineJail(
            binary: try TestProgram.path("jail-probe"), arguments: ["jail-probe"] + arguments,
            descriptors: [try Descriptor(opening: "/dev/null"), messages.write, messages.write, control.1],
            accelerator: .emulated, fileLimit: 0, memoryLimit: 1 << 30, userNumber: 8)
        return try await QEMUProcess.start(
            jail, control: control.0, messages: messages.read, first: [], patience: patience
        ).0
    }

    @Test(
        "is killed when it breaks the control protocol",
        arguments: ["x", "{}\n", "[]\n", "\n\n\0\n", "{\"event\":1}\n", "{\"event\":\"STOP\"}\n", "[[[[[[[["])
    func control(text: String) async throws {
        let exit = await (try start("control", text)).waitForExit()
        #expect(exit.cause == .signal(SIGKILL))
        #expect(exit.lastMessages.contains("broke the control protocol"))
    }

    @Test("cannot answer a command that nobody gave, nor one twice")
    func answers() async throws {
        let exit = await (try start("lie", "{\"return\":{},\"id\":7}\n{\"return\":{},\"id\":7}")).waitForExit()
        #expect(exit.cause == .failure(code: 0))
    }

    @Test("is not waited for when it does not answer")
    func silence() async throws {
        let engine = try await start("silence", patience: .milliseconds(200))
        await #expect(throws: EngineError.self) { try await engine.execute("stop") }
        engine.kill()
        #expect(await engine.waitForExit().cause == .signal(SIGKILL))
    }

    @Test("neither fills memory with its messages nor waits for a reader, and the last ones are kept")
    func flood() async throws {
        let engine = try await start("flood")
        let exit = await engine.waitForExit()
        #expect(exit.cause == .failure(code: 0))
        #expect(exit.lastMessages == "the last words\n")
        #expect(try engine.messages.readAll(limit: 1 << 20).count <= 65_536)
    }

    @Test("releases whoever waits for its answer when it ends")
    func waiting() async throws {
        let engine = try await start("silence")
        let answer = Task { try await engine.execute("stop") }
        engine.kill()
        #expect(await answer.result.error as? EngineError == .ended)
    }
}

extension Result {
    /// The error, if it is one.
    fileprivate var error: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
