import LinuxSystem

/// What a machine is made of.
public struct MachineSpecification: Sendable {
    /// A block device of the guest.
    public struct Disk: Sendable {
        /// A part of a disk: a whole file, or its first bytes.
        public struct Extent: Sendable {
            /// The file, opened for reading, and for writing too when the disk is writable.
            public var file: Descriptor
            /// How much of it belongs to the disk: bytes, a multiple of 512.
            public var length: Int64

            /// A part of a disk.
            public init(file: Descriptor, length: Int64) {
                self.file = file
                self.length = length
            }
        }

        /// The name by which the guest finds it in `/sys/block/*/serial`: 1 to 20 of `A-Z a-z 0-9 . _ -`.
        public var serial: String
        /// What it is joined from, in order: up to ``maximumExtents`` when read-only, exactly one when writable.
        public var extents: [Extent]
        /// Whether the guest may only read.
        public var readOnly: Bool
        /// How large the guest sees a read-only disk, in bytes, a multiple of 512; what its extents leave reads as
        /// zeros. `nil` for as large as they are.
        public var size: Int64?

        /// The most extents a disk can have.
        public static let maximumExtents = 127

        /// How much its extents give, in bytes.
        var length: Int64 {
            extents.reduce(0) { sum, extent in
                let (length, tooLong) = sum.addingReportingOverflow(extent.length)
                return tooLong ? .max : length
            }
        }

        /// A block device.
        public init(serial: String, extents: [Extent], readOnly: Bool, size: Int64? = nil) {
            self.serial = serial
            self.extents = extents
            self.readOnly = readOnly
            self.size = size
        }
    }

    /// How a machine comes to life.
    public enum Origin: Sendable {
        /// It boots a kernel.
        /// - Parameters:
        ///   - kernel: an uncompressed ELF file with a PVH entry, opened for reading.
        ///   - initramfs: an uncompressed cpio archive, opened for reading.
        ///   - memory: a file as large as the machine's memory, opened for reading and writing, that is its memory, so
        ///     that it can be frozen; `nil` for memory of its own.
        case boot(kernel: Descriptor, initramfs: Descriptor, memory: Descriptor? = nil)
        /// It goes on where a machine made of the same devices, processors and memory was frozen. What it changes of the
        /// memory is its own.
        /// - Parameters:
        ///   - memory: the file that was the frozen machine's memory. Opened for reading only, it cannot be changed by
        ///     an engine, even one that its guest has taken over.
        ///   - state: what ``Machine/freeze(to:)`` wrote. It is read from the descriptor's position.
        case frozen(memory: Descriptor, state: Descriptor)
        /// It goes on where a machine made of the same devices, processors and memory was frozen with its engine; see
        /// ``QEMUMachine/freezeEngine(to:)``.
        /// - Parameters:
        ///   - memory: what the frozen machine's memory is made of, its files opened as above.
        ///   - engine: the frozen engine.
        case thawed(memory: FrozenMemory, engine: FrozenEngine)
    }

    /// Virtual processors, from 1 to 64.
    public var cpus: Int
    /// Memory in bytes, at least 64 MiB; rounded up to whole MiB.
    public var memory: Int64
    /// How it comes to life.
    public var origin: Origin
    /// Whether a machine that goes on waits for ``Machine/resume()`` first. One with an engine that was frozen when it was
    /// in use always does.
    public var isPaused = false
    /// Whether it has a network device; see `QEMUMachine.network`.
    public var network: Bool
    /// The block devices, at most ``maximumDisks``.
    public var disks: [Disk]
    /// The largest size in bytes that any file written by the engine may grow to. A guest that writes beyond it sees
    /// an input/output error.
    public var diskLimit: Int64
    /// Further words of the kernel's command line, of a machine that boots.
    public var commandLine: [String]
    /// Tells this machine's engine from all others of this host when root starts it: it then runs as user
    /// ``Walls/firstUser`` plus this number.
    public var userNumber: UInt32

    /// There are 8 device slots; one is the console's and the agent's, one the random number generator's. A network
    /// device takes another one.
    public static let maximumDisks = 6

    /// A machine.
    public init(
        cpus: Int = 1, memory: Int64, origin: Origin, disks: [Disk], network: Bool = false, diskLimit: Int64,
        commandLine: [String] = [], userNumber: UInt32 = 0
    ) {
        self.cpus = cpus
        self.memory = memory
        self.origin = origin
        self.network = network
        self.disks = disks
        self.diskLimit = diskLimit
        self.commandLine = commandLine
        self.userNumber = userNumber
    }

    /// The file that is its memory.
    var memoryFile: Descriptor? {
        switch origin {
        case .boot(_, _, let memory): memory
        case .frozen(let memory, _): memory
        case .thawed(let memory, _): memory.base
        }
    }

    /// Its memory as files, when it goes on from a frozen machine.
    var frozenMemory: FrozenMemory? {
        switch origin {
        case .boot: nil
        case .frozen(let memory, _): FrozenMemory(size: self.memory, base: memory)
        case .thawed(let memory, _): memory
        }
    }

    /// Whether it goes on from another machine's state.
    var isFork: Bool { if case .boot = origin { false } else { true } }

    /// Checks every range named above.
    func validate() throws(EngineError) {
        func require(_ holds: Bool, _ reason: @autoclosure () -> String) throws(EngineError) {
            guard holds else { throw .specification(reason()) }
        }
        try require((1...64).contains(cpus), "\(cpus) processors; give 1 to 64")
        try require((64 << 20...1 << 42).contains(memory), "\(memory) bytes of memory; give at least 64 MiB")
        try require(diskLimit >= 0, "a disk limit of \(diskLimit) bytes")
        try require(
            disks.count + (network ? 1 : 0) <= Self.maximumDisks,
            "\(disks.count) disks; the machine has device slots for \(Self.maximumDisks)")
        try require(Set(disks.map(\.serial)).count == disks.count, "two disks with the same serial")
        for word in commandLine {
            try require(
                word.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "the kernel argument '\(word)'; use visible ASCII")
        }
        for disk in disks {
            let serial = disk.serial
            let visible = serial.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
                }
            }
            try require((1...20).contains(serial.utf8.count) && visible, "the disk serial '\(serial)'")
            let most = disk.readOnly ? Disk.maximumExtents : 1
            try require(
                (1...most).contains(disk.extents.count),
                "disk \(serial) of \(disk.extents.count) extents; give 1 to \(most)")
            for extent in disk.extents {
                try require(
                    extent.length > 0 && extent.length % 512 == 0,
                    "an extent of \(extent.length) bytes in disk \(serial); give a multiple of 512")
            }
            if let size = disk.size {
                try require(
                    disk.readOnly && size % 512 == 0 && size >= disk.length,
                    "\(size) bytes seen of disk \(serial); give a multiple of 512 that its extents fit")
            }
        }
    }
}
