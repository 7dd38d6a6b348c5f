import Glibc

/// One file system to mount.
struct FileSystemMount {
    var type: String
    var source: String
    var target: String
    var flags: UInt = 0
    /// Options for the file system itself.
    var data: String = ""

    /// Makes a mount from its parts.
    init(_ type: String, at target: String, source: String? = nil, flags: UInt = 0, data: String = "") {
        self.type = type
        self.source = source ?? type
        self.target = target
        self.flags = flags
        self.data = data
    }

    /// Makes a mount from comma-separated options as mount(8) takes them: those that every file system has become flags.
    init(type: String, source: String, target: String, options: String, readOnly: Bool) {
        self.init(type, at: target, source: source)
        var rest: [Substring] = []
        for option in options.split(separator: ",") {
            switch FileSystemMount.flags[option] {
            case .set(let flag): flags |= flag
            case .clear(let flag): flags &= ~flag
            case nil: rest.append(option)
            }
        }
        if readOnly { flags |= UInt(MS_RDONLY) }
        data = rest.joined(separator: ",")
    }

    private enum Change {
        case set(UInt)
        case clear(UInt)
    }

    private static let flags: [Substring: Change] = [
        "defaults": .set(0),
        "ro": .set(UInt(MS_RDONLY)), "rw": .clear(UInt(MS_RDONLY)),
        "nosuid": .set(UInt(MS_NOSUID)), "suid": .clear(UInt(MS_NOSUID)),
        "nodev": .set(UInt(MS_NODEV)), "dev": .clear(UInt(MS_NODEV)),
        "noexec": .set(UInt(MS_NOEXEC)), "exec": .clear(UInt(MS_NOEXEC)),
        "sync": .set(UInt(MS_SYNCHRONOUS)), "async": .clear(UInt(MS_SYNCHRONOUS)),
        "dirsync": .set(UInt(MS_DIRSYNC)),
        "noatime": .set(UInt(MS_NOATIME)), "atime": .clear(UInt(MS_NOATIME)),
        "nodiratime": .set(UInt(MS_NODIRATIME)), "diratime": .clear(UInt(MS_NODIRATIME)),
        "relatime": .set(UInt(MS_RELATIME)), "norelatime": .clear(UInt(MS_RELATIME)),
        "strictatime": .set(UInt(MS_STRICTATIME)),
    ]

    /// Mounts it.
    func mount() throws(AgentError) {
        try AgentError.check("mount \(type) at \(target)") { Glibc.mount(source, target, type, flags, data) }
    }
}
