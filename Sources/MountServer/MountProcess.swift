import Glibc
import LinuxSystem

/// The process that serves one mount, from its start to its end.
public enum MountProcess {
    /// What the process is given.
    public enum InheritedDescriptor {
        /// A connected stream socket that carries the messages of FUSE, whole and in order, in both directions.
        public static let stream: Int32 = 3
        /// A connected SOCK_SEQPACKET socket for orders and answers.
        public static let control: Int32 = 4
        /// The directory or regular file that is served, opened with O_PATH.
        public static let root: Int32 = 5
        /// What an earlier server saved, or an empty file.
        public static let state: Int32 = 6
    }

    /// Serves until the stream or the parent ends.
    /// - Parameter arguments: the command line without the program's name; see ``MountOptions``.
    /// - Returns: the process's exit code.
    public static func run(_ arguments: some Sequence<String>) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        do {
            let options = try MountOptions(arguments: arguments)
            let root = Descriptor(owning: InheritedDescriptor.root)
            // Not by a signal, which would come with the end of the parent's thread.
            let parent = try? Descriptor.process(getppid())
            let standing = try ServerWall.raise(root: root, readOnly: options.readOnly)
            var state = try Descriptor(owning: InheritedDescriptor.state).readAll(limit: SavedState.longest)
            let server = try MountServer(
                stream: InheritedDescriptor.stream, control: InheritedDescriptor.control,
                parent: parent?.rawValue ?? -1, root: root.rawValue, options,
                mostOpen: standing.mostOpen, state: state)
            state = []
            let missing = standing.missing.map { " " + $0 }.joined()
            ControlSocket.send("ready\(missing)", on: InheritedDescriptor.control)
            try server.run()
            withExtendedLifetime((root, parent)) {}
            return 0
        } catch {
            ControlSocket.send("failed \(error)", on: InheritedDescriptor.control)
            return 1
        }
    }
}
