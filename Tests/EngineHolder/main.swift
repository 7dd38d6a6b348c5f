// Starts a machine from the kernel and the initial file system named in its arguments, prints the engine's process
// number and holds the machine. The tests kill this program and see what becomes of the engine.
import Engine
import Glibc
import LinuxSystem

let arguments = CommandLine.arguments
guard arguments.count == 4 else {
    print("usage: engine-holder KERNEL INITRAMFS CACHE")
    exit(2)
}
let specification = MachineSpecification(
    memory: 128 << 20,
    origin: .boot(kernel: try Descriptor(opening: arguments[1]), initramfs: try Descriptor(opening: arguments[2])),
    disks: [], diskLimit: 0)
let engine = try EngineFinder(cacheDirectory: arguments[3]).find()
let machine = try await QEMUMachine.start(specification, on: engine)
print(machine.description.pid)
print(machine.description)
fflush(nil)
print(await machine.waitForExit())
