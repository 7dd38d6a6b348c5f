import Glibc

/// `POSIX_SPAWN_SETSID` of glibc's spawn.h, which the Swift module does not show.
private let newSession: Int16 = 0x80

/// Starts a program with these descriptors under these numbers, and stderr, and with no signal blocked.
/// - Parameters:
///   - arguments: the vector; its first element is the program's path.
///   - inNewSession: whether it is out of reach of the terminal's signals.
///   - environment: variables over those of this process.
///   - inherits: which of this process's variables it gets, by name; all unless said otherwise.
/// - Throws: `SystemError`.
public func spawn(
    _ arguments: [String], _ descriptors: [(Descriptor, Int32)], inNewSession: Bool,
    environment: [String: String] = [:],
    inherits: (String) -> Bool = { _ in true }
) throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Descriptors first go where no target lies, so that none overwrites another that is still to be moved.
    var parked: [Descriptor] = []
    for (descriptor, target) in descriptors {
        let copy = try descriptor.duplicate(atLeast: 64)
        parked.append(copy)
        posix_spawn_file_actions_adddup2(&actions, copy.rawValue, target)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, (inNewSession ? newSession : 0) | Int16(POSIX_SPAWN_SETSIGMASK))
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    defer { vector.forEach { free($0) } }
    vector.append(nil)
    var variables =
        inherited { environment[$0] == nil && inherits($0) } + environment.map { strdup("\($0.key)=\($0.value)") }
    defer { variables.forEach { free($0) } }
    variables.append(nil)
    var pid = pid_t()
    let result = posix_spawn(&pid, arguments[0], &actions, &attributes, vector, variables)
    guard result == 0 else { throw SystemError("start", arguments[0], number: result) }
    withExtendedLifetime(parked) {}
    return pid
}

/// Copies of those of this process's variables whose names are wanted.
private func inherited(where isWanted: (String) -> Bool) -> [UnsafeMutablePointer<CChar>?] {
    var copies: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let variable = next.pointee {
        next += 1
        let name = strchr(variable, Int32(UInt8(ascii: "="))).map { end in
            String(decoding: UnsafeRawBufferPointer(start: variable, count: end - variable), as: UTF8.self)
        }
        if isWanted(name ?? "") { copies.append(strdup(variable)) }
    }
    return copies
}
