import AgentProtocol
import CAgent
import Glibc

/// A pseudo terminal of the sandbox's own devpts: the agent keeps the master, the process gets the other side.
struct Terminal {
    let master: Descriptor
    let peer: Descriptor

    /// Opens a terminal.
    /// - Parameter devices: the root of the sandbox's devpts, held since boot so that nothing mounted later is in the way.
    init(in devices: Descriptor, size: TerminalSize, owner: UInt32) throws(AgentError) {
        let master = Descriptor(
            try AgentError.check("open a terminal") {
                agent_open_in_root(devices.number, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0, 1)
            })
        let peer = Descriptor(
            try AgentError.check("open a terminal's other side") { agent_open_terminal_peer(master.number) })
        try AgentError.check("give a terminal to its user") { fchown(peer.number, owner, .max) }
        try AgentError.check("set a terminal to UTF-8") { agent_set_terminal_utf8(peer.number) }
        self.master = master
        self.peer = peer
        try Terminal.resize(master, to: size)
    }

    /// Changes the size of a terminal; its foreground processes get SIGWINCH.
    static func resize(_ master: Descriptor, to size: TerminalSize) throws(AgentError) {
        try AgentError.check("set a terminal's size") {
            agent_set_terminal_size(master.number, size.rows, size.columns)
        }
    }
}
