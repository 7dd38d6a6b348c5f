import CLinux
import Glibc

/// The mode of a terminal as it was at one moment, to be restored later.
public struct TerminalMode: Sendable {
    private let descriptor: Descriptor
    private let mode: termios

    /// Remembers the mode; `nil` when `descriptor` is no terminal.
    public init?(of descriptor: Descriptor) {
        var mode = termios()
        guard tcgetattr(descriptor.rawValue, &mode) == 0 else { return nil }
        self.descriptor = descriptor
        self.mode = mode
    }

    /// Hands every key and byte through untouched.
    public func makeRaw() throws(SystemError) {
        var raw = raw
        guard tcsetattr(descriptor.rawValue, TCSANOW, &raw) == 0 else { throw SystemError("set the terminal's mode") }
    }

    /// Puts the remembered mode back.
    public func restore() {
        var mode = mode
        tcsetattr(descriptor.rawValue, TCSANOW, &mode)
    }

    /// Puts the remembered mode back when the terminal is still as ``makeRaw()`` left it: when whoever did that is gone,
    /// a shell may have taken the terminal over since.
    public func restoreIfRaw() {
        var now = termios()
        guard tcgetattr(descriptor.rawValue, &now) == 0 else { return }
        let raw = raw
        if now.c_iflag == raw.c_iflag, now.c_oflag == raw.c_oflag, now.c_lflag == raw.c_lflag,
            now.c_cflag == raw.c_cflag
        {
            restore()
        }
    }

    private var raw: termios {
        var raw = mode
        cfmakeraw(&raw)
        return raw
    }
}

extension Descriptor {
    /// Rows and columns of the terminal behind this descriptor; `nil` when it is none.
    public var terminalSize: (rows: UInt16, columns: UInt16)? {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        return linux_terminal_size(rawValue, &rows, &columns) == 0 ? (rows, columns) : nil
    }

    /// Whether this is a terminal.
    public var isTerminal: Bool { isatty(rawValue) == 1 }
}
