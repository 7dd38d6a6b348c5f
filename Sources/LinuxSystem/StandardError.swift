/// Messages for the user.
public enum StandardError {
    /// Writes one line to stderr; what cannot be written is lost.
    public static func print(_ line: String) {
        try? Descriptor(duplicating: 2).write(Array((line + "\n").utf8))
    }
}
