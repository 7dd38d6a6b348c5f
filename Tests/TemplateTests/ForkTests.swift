import AgentProtocol
import Engine
import Glibc
import LinuxSystem
import Testing

@testable import Template

@Suite("Machines that go on from one template", .serialized) struct ForkTests {
    @Test(
        "differ in all that tells one machine from another, and each confirms what it was told",
        arguments: Workshop.Way.allCases)
    func identities(_ way: Workshop.Way) async throws {
        let workshop = try Workshop()
        guard workshop.ways.contains(way) else { return }
        let template = try await workshop.template()
        var seen: [[String]] = []
        for _ in 0..<2 {
            let machine = try await workshop.fork(template, way)
            let identity = ForkedMachine.identity()
            let confirmation = try await machine.configure(identity)
            #expect(confirmation.confirms(identity) == nil)
            let printed = try await machine.run(
                """
                cd /bin; b=/bin/busybox
                $b cat /proc/sys/kernel/random/boot_id /etc/machine-id /sys/class/net/eth0/address
                $b hostname
                $b head -c 32 /dev/urandom | $b sha256sum
                $b head -c 32 /dev/random | $b sha256sum
                $b head -c 32 /dev/hwrng | $b sha256sum
                $b grep -c -w -e rdrand -e rdseed /proc/cpuinfo
                """)
            var lines = printed.split(separator: "\n").map(String.init)
            #expect(lines.count == 8)
            // An emulated processor's random numbers are the emulator's, which is the same in all thawed ones.
            if workshop.engine.accelerator == .emulated { #expect(lines.last == "0") }
            lines.removeLast()
            #expect(lines.first == confirmation.bootID)
            #expect(lines.dropFirst().first == identity.machineID)
            #expect(lines.dropFirst(3).first == identity.hostName)
            seen.append(lines)
        }
        for (one, other) in zip(seen[0], seen[1]) { #expect(one != other) }
    }

    @Test("have the right time, and again after they stood still")
    func clock() async throws {
        let workshop = try Workshop()
        let machine = try await workshop.fork(try await workshop.template())
        _ = try await machine.configure()
        try machine.machine.agentPort.write(try HostMessage.setClock(HostClock.wall).frame().encoded)
        func difference() async throws -> Int {
            let guest = Int(try await machine.run("/bin/busybox date +%s").dropLast()) ?? 0
            return abs(guest - Int(time(nil)))
        }
        #expect(try await difference() <= 2)
        try await machine.machine.pause()
        // The guest's clock stands while it does, for a time that shows.
        try await Task.sleep(for: .seconds(4))
        try await machine.machine.resume()
        try machine.machine.agentPort.write(try HostMessage.setClock(HostClock.wall).frame().encoded)
        #expect(try await difference() <= 2)
    }

    @Test(
        "leave it as it was, whatever they do with their memory and their devices", arguments: Workshop.Way.allCases)
    func unchanged(_ way: Workshop.Way) async throws {
        let workshop = try Workshop()
        guard workshop.ways.contains(way) else { return }
        let template = try await workshop.template()
        let machine = try await workshop.fork(template, way)
        _ = try await machine.configure()
        let printed = try await machine.run(
            """
            b=/bin/busybox
            $b mount -t tmpfs -o size=90% none /tmp
            $b dd if=/dev/urandom of=/tmp/fill bs=1M count=64 2>/dev/null
            for d in /dev/vd*; do $b dd if=/dev/zero of=$d bs=1M count=4 oflag=direct 2>/dev/null; done
            for d in /sys/bus/virtio/devices/*; do
                echo $($b cat $d/device)
                n=${d##*/}
                # Without its console the guest could not tell how it went.
                [ $($b cat $d/device) = 0x0003 ] || echo $n >$d/driver/unbind
            done
            """)
        // No balloon (5), no memory device (24): QEMU would give memory back to the file for them.
        #expect(!printed.contains("0x0005") && !printed.contains("0x0018"), "\(printed)")
        machine.machine.kill()
        _ = await machine.machine.waitForExit()
        #expect(try workshop.store.verify(template.name) == nil)
        #expect(try workshop.store.find(workshop.specification, on: workshop.engine) != nil)
    }

    @Test(
        "run in engines that hold no writable descriptor of it", arguments: Workshop.Way.allCases)
    func descriptors(_ way: Workshop.Way) async throws {
        let workshop = try Workshop()
        guard workshop.ways.contains(way) else { return }
        let template = try await workshop.template()
        let machine = try await workshop.fork(template, way)
        _ = try await machine.configure()
        let process = "/proc/\(machine.machine.description.pid)"
        var held = 0
        for number in try FileTree.names(in: process + "/fd") {
            var target = [CChar](repeating: 0, count: 4096)
            guard readlink("\(process)/fd/\(number)", &target, target.count - 1) > 0 else { continue }
            let path = String(decoding: target.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            guard path.hasPrefix(workshop.home + "/templates/") else { continue }
            held += 1
            let information = String(decoding: try FileTree.read("\(process)/fdinfo/\(number)"), as: UTF8.self)
            let flags = information.split(separator: "\n").first { $0.hasPrefix("flags:") }?.split(separator: "\t").last
            let access = flags.flatMap { Int($0, radix: 8) }.map { $0 & 3 }
            #expect(access == Int(O_RDONLY), "\(path)")
        }
        #expect(held > 0)
        // Nor a mapping that writes through.
        let maps = String(decoding: try FileTree.read(process + "/maps", limit: 4 << 20), as: UTF8.self)
        for line in maps.split(separator: "\n") where line.contains(workshop.home + "/templates/") {
            #expect(line.contains("p "), "\(line)")
        }
    }

    @Test("count time in steps far finer than a timer's")
    func clockSteps() async throws {
        let workshop = try Workshop()
        let machine = try await workshop.fork(try await workshop.template())
        _ = try await machine.configure()
        let source = try await machine.run(
            "/bin/busybox cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
        #expect(source.hasPrefix("tsc") || source.hasPrefix("kvm-clock"), "\(source)")
    }

    @Test("see errors where a disk of theirs would be that they do not have", arguments: Workshop.Way.allCases)
    func noDisk(_ way: Workshop.Way) async throws {
        let workshop = try Workshop()
        guard workshop.ways.contains(way) else { return }
        let machine = try await workshop.fork(try await workshop.template(), way)
        _ = try await machine.configure()
        let printed = try await machine.run(
            """
            cd /sys/block; for d in vd*; do
            n=$(/bin/busybox cat $d/serial)
            /bin/busybox dd if=/dev/zero of=/dev/$d bs=4096 seek=2000 count=1 conv=fsync 2>/dev/null && echo $n
            done; echo end
            """)
        #expect(printed.split(separator: "\n") == [way == .thawed ? "fresh" : "upper", "end"])
    }

    @Test("do not run when they are told to be what they cannot be")
    func refusal() async throws {
        let workshop = try Workshop()
        let machine = try await workshop.fork(try await workshop.template())
        var identity = ForkedMachine.identity()
        identity.hostName = "not a host name"
        await #expect(throws: ForkedMachine.Refusal.self) { try await machine.configure(identity) }
    }

    @Test("get the addresses that they are told")
    func addresses() async throws {
        let workshop = try Workshop()
        let machine = try await workshop.fork(try await workshop.template())
        var identity = ForkedMachine.identity()
        identity.addresses = ["192.0.2.7/24", "192.0.2.8/24", "2001:db8::7/64"]
        #expect(try await machine.configure(identity).confirms(identity) == nil)
        #expect(try await machine.run("/bin/busybox cat /sys/class/net/eth0/carrier") == "1\n")
    }
}
