import AgentProtocol
import LinuxSystem

/// The terminal that a command with `-t` shares with the process in the sandbox.
struct TerminalIO {
    /// The terminal whose keys go to the process; `nil` when none do.
    let descriptor: Descriptor?
    private let mode: TerminalMode?

    /// Checks that stdin is a terminal when the process is to have both its keys and a terminal.
    init(wanted: Bool, interactive: Bool) throws {
        guard wanted, interactive else {
            (descriptor, mode) = (nil, nil)
            return
        }
        let input = try Descriptor(duplicating: 0)
        guard let mode = TerminalMode(of: input) else { throw Failure("-i -t: stdin is not a terminal; leave out -t") }
        (descriptor, self.mode) = (input, mode)
    }

    /// Hands every key to the sandbox instead of the host's terminal driver.
    func makeRaw() throws { try mode?.makeRaw() }

    /// Puts the terminal back as it was.
    func restore() { mode?.restore() }

    /// The size of the terminal behind stdin, stdout or stderr; 24 × 80 when there is none.
    static var size: TerminalSize {
        for number: Int32 in 0...2 {
            if let size = try? Descriptor(duplicating: number).terminalSize {
                return TerminalSize(rows: size.rows, columns: size.columns)
            }
        }
        return TerminalSize(rows: 24, columns: 80)
    }
}
