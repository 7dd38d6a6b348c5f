/// The descriptors that a supervisor finds open when it starts, by number.
public enum InheritedDescriptor {
    /// A connected stream socket: the first client.
    public static let control: Int32 = 3
    /// The sandbox's lock, held.
    public static let lock: Int32 = 4
    /// The client's terminal, restored when the client is killed; `/dev/null` when there is none.
    public static let terminal: Int32 = 5
    /// The values of the sandbox's secrets, to be handed on unread; `/dev/null` when it has none.
    public static let secrets: Int32 = 6
    /// Ends after the URL of the proxy through which its connections go; `/dev/null` when they go through none.
    public static let proxy: Int32 = 7
}
