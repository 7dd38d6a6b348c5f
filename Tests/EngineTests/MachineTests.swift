import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("A machine") struct MachineTests {
    @Test("boots, speaks on its console and its agent port, and ends when its guest does")
    func boot() async throws {
        let machine = try await TestGuest.start("echo console; echo port >/dev/vport0p1; read line")
        defer { machine.kill() }
        _ = try await GuestChannel(descriptor: machine.console).read(through: "console\n")
        #expect(try await GuestChannel(descriptor: machine.agentPort).read(through: "\n") == "port\n")
        try machine.console.write(Array("end\n".utf8))
        let exit = await machine.waitForExit()
        #expect(exit.cause == .guestShutdown, "\(exit)")
    }
}
