import Glibc

/// Descriptors 0, 1 and 2.
public enum StandardStreams {
    /// Opens `/dev/null` on those that the caller left closed, so that no file of ours takes their place. To be called
    /// before anything is opened.
    public static func fillGaps() {
        for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }
}
