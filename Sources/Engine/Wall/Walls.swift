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

        /// A wall that does not stand.
        public init(_ wall: Wall, _ reason: String) {
            self.wall = wall
            self.reason = reason
        }
    }

    /// Those that stand.
    public var standing: [Wall] { Wall.allCases.filter { wall in !gaps.contains { $0.wall == wall } } }
    /// Those that do not. ``Wall/user`` is no gap for an ordinary user, who cannot become another; it is not listed
    /// as standing either.
    public internal(set) var gaps: [Gap] = []

    /// The first user number of engines that root starts: far above those of people, services and containers.
    public static let firstUser: UInt32 = 0x7000_0000
}
