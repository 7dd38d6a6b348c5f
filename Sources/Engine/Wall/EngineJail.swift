import Glibc
import LinuxSystem

/// Starts an engine's program behind as many walls as the host offers.
struct EngineJail {
    /// The program and where it lies.
    var binary: String
    /// The program itself, where that is another file: a frozen engine, which loads no library.
    var frozen: Descriptor?
    /// Its argument vector.
    var arguments: [String]
    /// What it gets as descriptors 0, 1, 2 and so on.
    var descriptors: [Descriptor]
    /// Those of them that it opens anew by their names in `/proc/self/fd`.
    var reopened: [Descriptor] = []
    /// What executes the guest.
    var accelerator: Accelerator
    /// The largest file it may write, in bytes.
    var fileLimit: Int64
    /// Private writable memory, in bytes.
    var memoryLimit: Int64
    /// The machine's own number on this host.
    var userNumber: UInt32
    /// What it gets as its memory; see ``AnsweredOpens``.
    var answerToOpens: Descriptor?

    /// Starts the program. It is killed when the calling thread ends.
    func start() throws(EngineError) -> (process: JailedProcess, walls: Walls) {
        var walls = Walls()
        let executable: Descriptor
        if let frozen {
            executable = frozen
        } else {
            do { executable = try Descriptor(opening: binary) } catch { throw .prepare("the engine", error) }
        }
        var jail = Jail(
            executable: executable, arguments: arguments, descriptors: descriptors,
            filter: EngineSystemCalls.filter(accelerator: accelerator, asksForMemory: answerToOpens != nil))
        jail.answerToOpens = answerToOpens
        do { jail.landlock = try landlock(executable) } catch {
            guard Landlock.kernelABI == nil else { throw .prepare("the engine's Landlock rules", error) }
            walls.lack(.files, "this kernel has no Landlock, or its 'lsm=' option leaves it out")
        }
        jail.limits = [
            .noCoreDump, .noLockedMemory, .fileSize(UInt64(max(fileLimit, 0))), .data(UInt64(max(memoryLimit, 0))),
        ]
        if geteuid() != 0 {
            walls.standing.removeAll { $0 == .user }
        } else if let user = EngineUser.choose(number: userNumber, needsKVM: accelerator == .kvm) {
            jail.user = user
            jail.limits.append(.processes(256))
        } else {
            walls.lack(.user, "root has no other user to give: its user namespace maps too few")
        }
        return try start(&jail, &walls)
    }

    /// Tries with all namespaces, and with fewer where the host forbids them.
    private func start(_ jail: inout Jail, _ walls: inout Walls) throws(EngineError) -> (JailedProcess, Walls) {
        let wanted: Jail.Namespaces = [.network, .process, .ipc]
        var refusal: JailError?
        for namespaces in geteuid() == 0 ? [wanted, []] : [wanted.union(.user), []] {
            jail.namespaces = namespaces
            do {
                let process = try JailedProcess.start(jail)
                if namespaces.isEmpty, let refusal {
                    let reason = "\(SystemError("make namespaces", number: refusal.number))"
                    for wall in [Walls.Wall.network, .processes, .ipc] { walls.lack(wall, reason) }
                }
                return (process, walls)
            } catch {
                guard error.step == .namespaces, !namespaces.isEmpty else {
                    throw .start(binary: binary, error)
                }
                refusal = error
            }
        }
        throw .ended
    }

    /// Exactly the files the program needs: itself, its loader, libraries, and what it was given to open.
    private func landlock(_ executable: Descriptor) throws(SystemError) -> Landlock {
        let rules = try Landlock()
        try rules.allow([.execute, .readFile], on: executable)
        // QEMU tries there whether the kernel has locks of open files, and complains when it cannot.
        try rules.allow([.readFile, .writeFile], path: "/dev/null")
        if frozen != nil { return rules }
        if let loader = ELFProgram(executable).loader { try rules.allow([.execute, .readFile], path: loader) }
        for file in ["/etc/ld.so.cache", "/dev/urandom", "/dev/random"] { try rules.allow(.readFile, path: file) }
        for directory in libraryDirectories { try rules.allow(.readFile, path: directory) }
        if accelerator == .kvm { try rules.allow([.readFile, .writeFile, .deviceControl], path: "/dev/kvm") }
        for file in reopened {
            do { try rules.allow(.readFile, on: file) } catch {
                // Files in memory belong to no file system; the kernel takes no rule for them and needs none.
                guard error.number == EBADFD else { throw error }
            }
        }
        return rules
    }

    private var libraryDirectories: [String] {
        let own = binary.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        return ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", own + "/lib", own + "/lib64"]
    }
}
