import ForeignText

/// Messages for the user.
public enum StandardError {
    /// Writes one line to stderr, without control characters: parts of it may come from a guest or an image. What cannot
    /// be written is lost.
    public static func print(_ line: String) {
        try? Descriptor(duplicating: 2).write(Array((line.printable + "\n").utf8))
    }
}
