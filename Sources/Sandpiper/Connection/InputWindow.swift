import AgentProtocol

/// How much a process's stdin takes at the moment.
final class InputWindow: Sendable {
    private struct State: Sendable {
        var credit = Int(FlowWindow.initial)
        var end: (any Error)?
    }

    private let line: WaitingLine<State, Int>

    /// A whole window.
    init() {
        line = WaitingLine(State()) { state in
            if let end = state.end { return .failure(end) }
            guard state.credit > 0 else { return nil }
            let portion = min(state.credit, FrameHeader.maximumData)
            state.credit -= portion
            return .success(portion)
        }
    }

    /// Waits until bytes can be sent, and takes the right to send so many: 1...``FrameHeader/maximumData``.
    func portion() async throws -> Int { try await line.next() }

    /// Gets credit: from the process, or what was taken and not used.
    func add(_ credit: Int) { line.change { $0.credit += credit } }

    /// Nothing can be sent any more. Whether it could before.
    @discardableResult func close(_ reason: any Error) -> Bool {
        line.change { state in
            defer { if state.end == nil { state.end = reason } }
            return state.end == nil
        }
    }
}
