/// The walls round an engine: which stand, and which this host does not offer.
///
/// Each is a lock of its own. Where one is missing the others still hold; a machine starts then all the same, and says so.
public struct Walls: Sendable, Equatable {
    /// One of them.
    public enum Wall: String, Sendable, CaseIterable {
        /// The engine's user owns nothing and is no one else's, though root started it.
        case user
        /// No capability, no way to get one or any other privilege.
        case privileges
        /// Only system calls that an engine makes; one exec, ever.
        case systemCalls = "system calls"
        /// Only the files it needs, none for writing, no signals to others.
        case files
        /// An empty network, beside having no way to make a socket.
        case network
        /// No other process to be seen.
        case processes
        /// No shared memory, semaphores or queues of others.
        case ipc
        /// Bounds on memory, descriptors, file size and core dumps.
        case limits
    }

    /// A wall that does not stand.
    public struct Gap: Sendable, Equatable {
        /// Which one.
        public var wall: Wall
        /// Why, in one line.
        public var reason: String
    }

    /// Those that stand. ``Wall/user`` is one only when root starts the engine: an ordinary user cannot become another.
    public internal(set) var standing: [Wall] = Wall.allCases
    /// Those that this host does not offer.
    public internal(set) var gaps: [Gap] = []

    /// Notes that a wall does not stand, because the host lacks what it is made of.
    mutating func lack(_ wall: Wall, _ reason: String) {
        standing.removeAll { $0 == wall }
        gaps.append(Gap(wall: wall, reason: reason))
    }

    /// The first user number of engines that root starts: far above those of people, services and containers.
    public static let firstUser: UInt32 = 0x7000_0000
}
