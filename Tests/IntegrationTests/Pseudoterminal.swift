import Glibc
import LinuxSystem
import Subprocess
import Synchronization
import Testing

/// A terminal on the host, with a person's keys and eyes at its other end.
final class Pseudoterminal: Sendable {
    private let master: Mutex<Descriptor?>
    private let slave: Descriptor
    private let hungUp: EventDescriptor
    private let screen = Screen()

    /// Opens a terminal of 24 lines of 80 columns.
    init() throws {
        let master = try Descriptor(opening: "/dev/ptmx", O_RDWR | O_NOCTTY)
        // TIOCSPTLCK and TIOCGPTPEER, which Swift does not see.
        var locked: Int32 = 0
        guard ioctl(master.rawValue, 0x4004_5431, &locked) == 0 else {
            throw SystemError("unlock a terminal")
        }
        let number = ioctl(master.rawValue, 0x5441, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError("open a terminal") }
        slave = Descriptor(owning: number)
        hungUp = try EventDescriptor()
        self.master = Mutex(master)
        try resize(rows: 24, columns: 80)
        // A reader of its own, for reading a terminal blocks.
        try DedicatedThread.start { [screen, hungUp] in
            while let bytes = Self.read(master, until: hungUp) {
                screen.add(bytes)
            }
        }
    }

    deinit { hangUp() }

    private static func read(_ master: Descriptor, until event: EventDescriptor) -> [UInt8]? {
        var events = [master, event.descriptor].map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
        poll(&events, 2, -1)
        guard events[1].revents == 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = (try? buffer.withUnsafeMutableBytes { try master.read(into: $0) }) ?? 0
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    /// Closes the window: the terminal is gone for all who use it.
    func hangUp() {
        master.withLock { $0 = nil }
        hungUp.signal()
    }

    /// Changes the size of the window, which the terminal's foreground processes are told.
    func resize(rows: UInt16, columns: UInt16) throws {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(slave.rawValue, UInt(TIOCSWINSZ), &size) == 0 else { throw SystemError("resize a terminal") }
    }

    /// Types keys.
    func type(_ keys: String) throws { try master.withLock { try $0?.write(Array(keys.utf8)) } }

    /// Waits until a text is shown after all that was waited for before.
    func see(_ text: String, _ location: SourceLocation = #_sourceLocation) async {
        let found = await screen.wait(for: text)
        if !found { Issue.record("'\(text)' is not shown, but:\n\(screen.text)", sourceLocation: location) }
    }

    /// What was shown so far.
    var text: String { screen.text }

    /// How the terminal treats keys and output: `stty --save`'s line.
    func mode() async throws -> String {
        let result = try await Subprocess.run(
            .name("stty"), arguments: ["--save"],
            input: .fileDescriptor(.init(rawValue: slave.rawValue), closeAfterSpawningProcess: false),
            output: .string(limit: 4096))
        return result.standardOutput
    }

    /// Runs a command in this terminal as its session's leader, and `body` beside it.
    func run(_ command: Command, while body: (pid_t) async throws -> Void) async throws -> Int32 {
        try await command.run(in: .init(rawValue: slave.rawValue), while: body)
    }
}

/// All that a terminal showed, and who waits for more.
private final class Screen: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        /// Where what was waited for ends.
        var position = 0
        var waiting: (text: [UInt8], continuation: CheckedContinuation<Bool, Never>)?

        /// Moves behind the first occurrence of a text.
        mutating func find(_ text: [UInt8]) -> Bool {
            var start = position
            while start + text.count <= bytes.count {
                if bytes[start..<start + text.count].elementsEqual(text) {
                    position = start + text.count
                    return true
                }
                start += 1
            }
            return false
        }
    }

    private let state = Mutex(State())

    var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }

    func add(_ more: [UInt8]) {
        state.withLock { state in
            state.bytes += more
            if let waiting = state.waiting, state.find(waiting.text) {
                state.waiting = nil
                waiting.continuation.resume(returning: true)
            }
        }
    }

    /// Waits for a text, at most a minute; tells whether it came.
    func wait(for text: String) async -> Bool {
        let deadline = Task {
            try await Task.sleep(for: .seconds(60))
            giveUp()
        }
        defer { deadline.cancel() }
        return await withCheckedContinuation { continuation in
            state.withLock { state in
                if state.find(Array(text.utf8)) {
                    continuation.resume(returning: true)
                } else {
                    state.waiting = (Array(text.utf8), continuation)
                }
            }
        }
    }

    private func giveUp() {
        state.withLock { state in
            state.waiting?.continuation.resume(returning: false)
            state.waiting = nil
        }
    }
}
