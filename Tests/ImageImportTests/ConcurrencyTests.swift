import Foundation
import OCI
import Testing

@Suite("Several processes at once", .serialized)
struct ConcurrencyTests {
    let home: Home
    let real: RealImages

    init() throws {
        home = try Home()
        real = try RealImages.shared.get()
    }

    @Test("processes that load and remove the same images leave a whole store")
    func loadsTogether() throws {
        var processes: [Process] = []
        for round in 0..<6 {
            for archive in [real.docker, real.oci + ".gz"] {
                processes.append(try Tool.start([Tool.image, "load", archive], environment: home.environment))
            }
            let victim = round % 2 == 0 ? "busybox:1" : "localhost:5000/a/busybox:2"
            processes.append(try Tool.start([Tool.image, "rmi", victim], environment: home.environment))
        }
        for (number, process) in processes.enumerated() {
            process.waitUntilExit()
            // A load must succeed whatever is removed beside it; a removal may come too early.
            if number % 3 != 2 { #expect(process.terminationStatus == 0) }
        }
        try home.checkWhole()
        // A layer stays in the form in which it came first, so what is there depends on the race; what is left does not.
        for image in try home.store.images() {
            _ = try home.store.remove(image.digest.description, force: true)
        }
        #expect(try home.files().isEmpty)
        let expected = try Home()
        for archive in [real.docker, real.oci] {
            try home.load(archive)
            try expected.load(archive)
        }
        #expect(try home.files() == expected.files())
    }

    @Test("a load killed at any moment leaves a whole store, in which the same load works")
    func survivesKills() throws {
        let expected = try Home()
        try expected.load(real.docker)
        let start = ContinuousClock.now
        _ = try home.run("load", real.docker)
        let duration = ContinuousClock.now - start
        _ = try home.run("rmi", "busybox:1")

        var killed = 0
        for number in 0..<40 {
            let process = try Tool.start([Tool.image, "load", real.docker], environment: home.environment)
            let moment = duration * (Double(number) / 40)
            usleep(UInt32(moment.components.seconds * 1_000_000 + moment.components.attoseconds / 1_000_000_000_000))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            // Either it was not published, or whole.
            try home.checkWhole()
            let images = try home.store.images()
            if images.isEmpty { #expect(try home.files().isEmpty) }
            if number % 8 == 7 {
                #expect(try home.run("load", real.docker).status == 0)
                #expect(try home.files() == expected.files())
                #expect(try home.run("rmi", "busybox:1").status == 0)
            } else if !images.isEmpty {
                _ = try home.store.remove(images[0].digest.description, force: true)
            }
        }
        #expect(killed > 10)
    }

    @Test("a removal killed at any moment leaves no image in part")
    func survivesKilledRemovals() throws {
        for number in 0..<20 {
            try home.load(real.docker)
            let process = try Tool.start([Tool.image, "rmi", "busybox:1"], environment: home.environment)
            usleep(UInt32(number) * 1000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            try home.checkWhole()
        }
    }
}
