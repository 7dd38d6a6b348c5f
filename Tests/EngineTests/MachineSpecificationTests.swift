import Glibc
import LinuxSystem
import Testing

@testable import Engine

@Suite("A machine's specification") struct MachineSpecificationTests {
    private func specification(
        cpus: Int = 1, memory: Int64 = 256 << 20, serials: [String] = [], extents: Int = 1, length: Int64 = 512,
        readOnly: Bool = true, words: [String] = []
    ) throws -> MachineSpecification {
        let file = try Descriptor(opening: "/dev/null")
        let extents = Array(repeating: MachineSpecification.Disk.Extent(file: file, length: length), count: extents)
        return MachineSpecification(
            cpus: cpus, memory: memory, origin: .boot(kernel: file, initramfs: file),
            disks: serials.map { .init(serial: $0, extents: extents, readOnly: readOnly) }, diskLimit: 0,
            commandLine: words)
    }

    @Test("holds up to six disks of up to 127 extents")
    func accepted() throws {
        try specification(cpus: 64, memory: 64 << 20).validate()
        try specification(serials: ["a", "b", "c", "d", "e", "f"], extents: 127).validate()
        try specification(serials: ["20-characters.long_x"], readOnly: false, words: ["a=b,c", "d"]).validate()
    }

    @Test("that no machine can be made of is refused in one line that names the reason")
    func refused() throws {
        let cases: [(MachineSpecification, String)] = [
            (try specification(cpus: 0), "0 processors"),
            (try specification(cpus: 65), "65 processors"),
            (try specification(memory: 1 << 20), "1048576 bytes of memory"),
            (try specification(serials: ["a", "b", "c", "d", "e", "f", "g"]), "7 disks"),
            (try specification(serials: ["a", "a"]), "same serial"),
            (try specification(serials: [""]), "serial ''"),
            (try specification(serials: ["a,b"]), "serial 'a,b'"),
            (try specification(serials: ["this-one-is-too-long-"]), "serial"),
            (try specification(serials: ["a"], extents: 0), "0 extents"),
            (try specification(serials: ["a"], extents: 128), "128 extents"),
            (try specification(serials: ["a"], extents: 2, readOnly: false), "2 extents"),
            (try specification(serials: ["a"], length: 100), "100 bytes"),
            (try specification(serials: ["a"], length: 0), "0 bytes"),
            (try specification(words: ["a b"]), "'a b'"),
            (try specification(words: ["a\n"]), "kernel argument"),
        ]
        for (specification, reason) in cases {
            let error = #expect(throws: EngineError.self) { try specification.validate() }
            #expect(error?.description.contains(reason) == true, "\(reason): \(error?.description ?? "")")
        }
    }

    @Test("becomes a command line that names no file but the engine's own and those it was passed")
    func commandLine() throws {
        let (file, _) = try Descriptor.socketPair()
        let line = try QEMUCommandLine(
            specification(serials: ["image"], extents: 3),
            engine: .init(binary: "/usr/bin/qemu", firmware: "/x", accelerator: .emulated, kvm: .missing),
            firmware: file,
            channels: .init(input: file, messages: file, control: file, console: file, agent: file), sandbox: true,
            counterRate: 1_000_000)
        let paths = line.arguments.dropFirst().flatMap { $0.split { "=,\"".contains($0) } }.filter { $0.hasPrefix("/") }
        let known = paths.allSatisfy { path in
            ["/proc/self/fd/", "/dev/fdset/", "/dev/urandom"].contains { path.hasPrefix($0) }
        }
        #expect(known, "\(paths)")
        #expect(line.descriptors.count == 3 + 3 + 3 + 4)
        #expect(line.reopened.count == 3)
    }
}
