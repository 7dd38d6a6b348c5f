import ArgumentParser
import Glibc
import ImageExport
import ImageImport
import LinuxSystem
import OCI
import RegistryClient
import Synchronization
import TextLayout

/// How progress is shown on stderr.
enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
    /// Bars on a terminal, else `plain`.
    case auto
    /// A line when something begins or ends.
    case plain
    /// A JSON object a line.
    case json
    case none
}

/// Shows what happens to the layers of an image during a pull or push.
final class ProgressDisplay: Sendable {
    private enum Event {
        /// These layers are moved, all but those that are there already.
        case found([ContentDescriptor], present: Set<Digest>)
        case moved(Digest, bytes: Int64, of: Int64)
        case done(Digest)
    }

    private struct State {
        var layers: [ContentDescriptor] = []
        var moved: [Digest: Int64] = [:]
        var done: Set<Digest> = []
        var drawnLines = 0
        var lastDrawn: [Digest?: UInt64] = [:]
    }

    /// At most so often is the same thing shown anew, in nanoseconds.
    private static let interval: UInt64 = 100_000_000

    private let style: ProgressStyle
    private let isTerminal: Bool
    private let reference: Reference
    private let state = Mutex(State())

    init(_ style: ProgressStyle, of reference: Reference) {
        self.style = style
        self.reference = reference
        isTerminal = style == .auto && isatty(STDERR_FILENO) != 0
    }

    /// Shows what happens during a pull. Called from any thread.
    func show(_ event: ImportEvent) {
        switch event {
        case .found(let layers, let present): show(.found(layers, present: present), as: "found")
        case .received(let layer, let bytes, let size): show(.moved(layer, bytes: bytes, of: size), as: "received")
        case .unpacked(let layer): show(.done(layer), as: "unpacked")
        }
    }

    /// Shows what happens during a push. Called from any thread.
    func show(_ event: PushEvent) {
        switch event {
        case .found(let layers): show(.found(layers, present: []), as: "found")
        case .sent(let layer, let bytes, let size): show(.moved(layer, bytes: bytes, of: size), as: "sent")
        case .done(let layer, let outcome): show(.done(layer), as: "\(outcome)")
        }
    }

    private func show(_ event: Event, as name: String) {
        guard style != .none else { return }
        state.withLock { state in
            switch event {
            case .found(let layers, let present):
                state.layers = layers
                state.done = present
            case .moved(let digest, let bytes, _): state.moved[digest] = bytes
            case .done(let digest): state.done.insert(digest)
            }
            if style == .json {
                printObject(event, name, &state)
            } else if isTerminal {
                draw(&state, always: false)
            } else {
                printLine(event, name)
            }
        }
    }

    /// Shows how it all ended.
    func finish() {
        guard isTerminal else { return }
        state.withLock { draw(&$0, always: true) }
    }

    private func isDue(_ key: Digest?, _ state: inout State) -> Bool {
        let now = HostClock.monotonic
        guard now &- state.lastDrawn[key, default: 0] >= Self.interval else { return false }
        state.lastDrawn[key] = now
        return true
    }

    // MARK: Plain

    private func printLine(_ event: Event, _ name: String) {
        switch event {
        case .found(let layers, let present):
            let missing = layers.filter { !present.contains($0.digest) }
            let size = humanSize(missing.reduce(0) { $0 &+ $1.size })
            let here = present.isEmpty ? "" : ", \(layers.count - missing.count) of them here"
            StandardError.print(
                "\(reference): \(layers.count) \(layers.count == 1 ? "layer" : "layers")\(here), \(size)")
        case .moved: break
        case .done(let digest): StandardError.print("layer \(digest.short): \(name)")
        }
    }

    // MARK: JSON

    private struct Line: Encodable {
        var event: String
        var reference: String
        var layer: Digest?
        var layers: [ContentDescriptor]?
        var present: [Digest]?
        var bytes: Int64?
        var size: Int64?
    }

    private func printObject(_ event: Event, _ name: String, _ state: inout State) {
        var line = Line(event: name, reference: reference.familiar)
        switch event {
        case .found(let layers, let present):
            line.layers = layers
            line.present = present.sorted { $0.hex < $1.hex }
        case .moved(let digest, let bytes, let size):
            guard bytes == size || isDue(digest, &state) else { return }
            line.layer = digest
            line.bytes = bytes
            line.size = size
        case .done(let digest):
            line.layer = digest
        }
        guard let bytes = try? BoundedJSON.encode(line) else { return }
        StandardError.print(String(decoding: bytes, as: UTF8.self))
    }

    // MARK: Terminal

    private func draw(_ state: inout State, always: Bool) {
        guard always || isDue(nil, &state) else { return }
        // What does not fit on the screen cannot be drawn over.
        let height = max(2, terminalHeight - 1)
        let hidden = max(0, state.layers.count - height)
        var text = state.drawnLines > 0 ? "\u{1B}[\(state.drawnLines)A" : ""
        for layer in state.layers.dropFirst(hidden) { text += "\r\u{1B}[K\(line(layer, state))\n" }
        state.drawnLines = state.layers.count - hidden
        try? Descriptor(duplicating: 2).write(Array(text.utf8))
    }

    private var terminalHeight: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return 24 }
        return Int(size.ws_row)
    }

    private func line(_ layer: ContentDescriptor, _ state: State) -> String {
        if state.done.contains(layer.digest) { return "\(layer.digest.short)  done" }
        let moved = state.moved[layer.digest, default: 0]
        if moved == 0 { return "\(layer.digest.short)  waiting" }
        if moved >= layer.size { return "\(layer.digest.short)  finishing" }
        let filled = Int(Double(moved) / Double(layer.size) * 30)
        let bar = String(repeating: "=", count: filled) + ">" + String(repeating: " ", count: 30 - filled)
        return "\(layer.digest.short)  [\(bar)] \(humanSize(moved)) of \(humanSize(layer.size))"
    }
}
