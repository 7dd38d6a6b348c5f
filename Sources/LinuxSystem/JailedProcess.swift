import CLinux
import Glibc

/// What a program gets, and what is taken from it, before its first instruction runs.
public struct Jail: Sendable {
    /// Linux's namespaces, as the flags of clone(2).
    public struct Namespaces: OptionSet, Sendable {
        /// The kernel's flags.
        public let rawValue: UInt64

        /// Namespaces from the kernel's flags.
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Own user numbers: needed by an ordinary user to get any of the others.
        public static let user = Namespaces(rawValue: 0x1000_0000)
        /// An own network, without interfaces but a loopback that is down.
        public static let network = Namespaces(rawValue: 0x4000_0000)
        /// Own process numbers: the program is number 1 and sees no other.
        public static let process = Namespaces(rawValue: 0x2000_0000)
        /// Own System V IPC objects and POSIX message queues.
        public static let ipc = Namespaces(rawValue: 0x0800_0000)
    }

    /// Another user for the program; changing to it needs the capabilities of root.
    public struct User: Sendable {
        /// The user and the group number.
        public var number: UInt32
        /// Supplementary groups; all others are given up.
        public var groups: [UInt32]

        /// A user whose group has the same number.
        public init(number: UInt32, groups: [UInt32] = []) {
            self.number = number
            self.groups = groups
        }
    }

    /// A limit of setrlimit(2), soft and hard alike.
    public struct Limit: Sendable {
        let resource: Int32
        let value: UInt64

        /// The largest file that may be written, in bytes. A write beyond it fails with `EFBIG` and no signal.
        public static func fileSize(_ bytes: UInt64) -> Limit { Limit(resource: 1, value: bytes) }
        /// Private writable memory, in bytes.
        public static func data(_ bytes: UInt64) -> Limit { Limit(resource: 2, value: bytes) }
        /// Processes and threads of the user.
        public static func processes(_ count: UInt64) -> Limit { Limit(resource: 6, value: count) }
        /// No memory may be locked.
        public static let noLockedMemory = Limit(resource: 8, value: 0)
        /// No core dumps. One byte and not none: a zero would still let a handler that core(5) pipes to have the dump.
        public static let noCoreDump = Limit(resource: 4, value: 1)
    }

    /// The program, open for reading.
    public var executable: Descriptor
    /// Its argument vector, beginning with its name. Its environment is empty.
    public var arguments: [String]
    /// What it gets as descriptors 0, 1, 2 and so on; it has no others.
    public var descriptors: [Descriptor]
    /// How many more descriptors it may open.
    public var descriptorAllowance = 192
    /// The namespaces it is alone in.
    public var namespaces: Namespaces = []
    /// The user it runs as; `nil` for the caller's own.
    public var user: User?
    /// Its resource limits.
    public var limits: [Limit] = []
    /// Its Landlock rules; `nil` where the kernel has none.
    public var landlock: Landlock?
    /// Its seccomp filter.
    public var filter: SeccompFilter
    /// What it gets from an openat(2) about which the filter asks, whatever the path; see ``AnsweredOpens``.
    public var answerToOpens: Descriptor?

    /// A jail with no more than a filter.
    public init(
        executable: Descriptor, arguments: [String], descriptors: [Descriptor], filter: SeccompFilter
    ) {
        self.executable = executable
        self.arguments = arguments
        self.descriptors = descriptors
        self.filter = filter
    }
}

/// A program in a jail, child of the thread that started it: it is killed when that thread ends.
public struct JailedProcess: Sendable {
    /// Its number, which may be used until ``reap()`` returns.
    public let pid: pid_t
    /// Becomes readable when it has ended; signals sent through it never hit another process.
    public let pidfd: Descriptor
    /// The opens that the owner answers with ``Jail/answerToOpens``.
    public let answeredOpens: AnsweredOpens?

    /// How a process ended.
    public enum Exit: Equatable, Sendable {
        case code(Int32)
        case signal(Int32)
    }

    /// Starts the program and returns when it runs.
    ///
    /// It gets a session of its own, `/` as working directory, umask 077, no capabilities and no way to new privileges.
    /// It can start no other program: execveat(2) waits for this process to agree, and it does so once. See
    /// `SECCOMP_RET_USER_NOTIF` in seccomp(2). With ``Jail/answerToOpens`` the caller watches ``answeredOpens``.
    public static func start(_ jail: Jail) throws(JailError) -> JailedProcess {
        let limit = jail.descriptors.count + jail.descriptorAllowance
        var filter = SeccompFilter()
        filter.add([Int32(__NR_execveat)], .ask)
        var instructions = filter.instructions + jail.filter.instructions
        var slots = jail.filter.processSlots.map { $0 + Int32(filter.instructions.count) }
        var numbers = jail.descriptors.map(\.rawValue)
        let limits = jail.limits.map { linux_limit(resource: $0.resource, value: $0.value) }
        let arguments = jail.arguments.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let userMap = "\(geteuid()) \(geteuid()) 1\n"
        let groupMap = "\(getegid()) \(getegid()) 1\n"

        var plan = linux_jail()
        plan.executable = jail.executable.rawValue
        plan.descriptor_count = Int32(numbers.count)
        plan.descriptor_limit = Int32(limit)
        plan.namespaces = jail.namespaces.rawValue
        if let user = jail.user {
            plan.changes_user = 1
            plan.user = user.number
            plan.group = user.number
            plan.group_count = Int32(user.groups.count)
        }
        plan.limit_count = Int32(limits.count)
        plan.ruleset = jail.landlock?.descriptor.rawValue ?? -1
        plan.filter_length = UInt16(instructions.count)
        plan.process_slot_count = Int32(slots.count)
        plan.keeps_listener = jail.answerToOpens == nil ? 0 : 1

        var pidfd: Int32 = -1
        var listener: Int32 = -1
        var stage: Int32 = 0
        // Every pointer in the plan is valid inside these closures, and linux_jail_start keeps none of them.
        let pid = numbers.withUnsafeMutableBufferPointer { numbers in
            instructions.withUnsafeMutableBufferPointer { instructions in
                slots.withUnsafeMutableBufferPointer { slots in
                    arguments.withUnsafeBufferPointer { arguments in
                        limits.withUnsafeBufferPointer { limits in
                            (jail.user?.groups ?? []).withUnsafeBufferPointer { groups in
                                userMap.withCString { userMap in
                                    groupMap.withCString { groupMap in
                                        plan.descriptors = numbers.baseAddress
                                        plan.filter = instructions.baseAddress
                                        plan.process_slots = UnsafePointer(slots.baseAddress)
                                        plan.arguments = arguments.baseAddress
                                        plan.limits = limits.baseAddress
                                        plan.groups = groups.baseAddress
                                        plan.user_map = userMap
                                        plan.group_map = groupMap
                                        return linux_jail_start(&plan, &pidfd, &listener, &stage)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        guard pid >= 0 else { throw JailError(stage) }
        let pending = jail.answerToOpens.flatMap { answer in
            listener >= 0 ? AnsweredOpens(Descriptor(owning: listener), answer: answer) : nil
        }
        return JailedProcess(pid: pid, pidfd: Descriptor(owning: pidfd), answeredOpens: pending)
    }

    /// Sends a signal. Nothing happens when the process has ended.
    public func send(_ signal: Int32) { _ = linux_pidfd_send_signal(pidfd.rawValue, signal) }

    /// Waits until the process ends, blocking the calling thread, and frees its number. Call it once.
    public func reap() throws(SystemError) -> Exit {
        var status: Int32 = 0
        var signaled: Int32 = 0
        guard linux_reap(pid, &status, &signaled) == 0 else { throw SystemError("wait for process", "\(pid)") }
        return signaled == 0 ? .code(status) : .signal(status)
    }
}

/// A program that could not be started in its jail.
public struct JailError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What could not be done.
    public enum Step: String, Sendable {
        case channel = "reach the new process"
        case namespaces = "give it its own namespaces"
        case session = "give it its own session"
        case descriptors = "arrange its descriptors"
        case limits = "set its resource limits"
        case user = "change its user"
        case privileges = "take its privileges"
        case parentDeath = "tie it to its parent"
        case landlock = "restrict it by Landlock"
        case seccomp = "put its seccomp filter on"
        case program = "run its program"
    }

    /// What could not be done.
    public let step: Step
    /// The kernel's error number.
    public let number: Int32

    init(_ stage: Int32, number: Int32 = errno) {
        self.number = number
        step =
            switch linux_jail_stage(UInt32(bitPattern: stage)) {
            case linux_jail_clone, linux_jail_user_map: .namespaces
            case linux_jail_session: .session
            case linux_jail_descriptors: .descriptors
            case linux_jail_limits: .limits
            case linux_jail_user: .user
            case linux_jail_capabilities, linux_jail_privileges: .privileges
            case linux_jail_parent_death: .parentDeath
            case linux_jail_landlock: .landlock
            case linux_jail_seccomp: .seccomp
            case linux_jail_exec: .program
            default: .channel
            }
    }

    /// One line.
    public var description: String {
        SystemError("start a process in a jail: \(step.rawValue)", number: number).description
    }
}
