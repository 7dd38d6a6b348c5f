import AgentProtocol

/// What has come of one of a process's outputs and was not read yet: at most one flow control window.
///
/// Credit goes back as pieces are taken, in portions, so that a slow reader holds up this output and nothing else.
final class OutputQueue: Sendable {
    private static let portion = Int(FlowWindow.initial / 4)

    private struct State: Sendable {
        var pieces: [[UInt8]] = []
        var first = 0
        var owed = 0
        var isDiscarding = false
        var end: Result<Void, any Error>?
    }

    private let line: WaitingLine<State, [UInt8]?>
    private let giveCredit: @Sendable (UInt32) -> Void

    /// An empty queue.
    /// - Parameter giveCredit: tells the sender that it may send so many more bytes.
    init(giveCredit: @escaping @Sendable (UInt32) -> Void) {
        self.giveCredit = giveCredit
        line = WaitingLine(State()) { state in
            if state.first < state.pieces.count {
                let piece = state.pieces[state.first]
                state.pieces[state.first] = []
                state.first += 1
                if state.first == state.pieces.count { (state.pieces, state.first) = ([], 0) }
                state.owed += piece.count
                return .success(piece)
            }
            return state.end?.map { nil }
        }
    }

    /// Takes a piece from the process.
    func receive(_ piece: [UInt8]) {
        let wasDiscarded = line.change { state in
            if state.isDiscarding { return true }
            if state.end == nil { state.pieces.append(piece) }
            return false
        }
        if wasDiscarded { giveCredit(UInt32(clamping: piece.count)) } else { payBack() }
    }

    /// No more pieces come; those that are here can still be read.
    func finish(_ result: Result<Void, any Error> = .success(())) {
        line.change { state in if state.end == nil { state.end = result } }
    }

    /// Nobody will read any more: what is here and what comes is thrown away.
    func discard() {
        let credit = line.change { state in
            state.isDiscarding = true
            let credit = state.owed + state.pieces.reduce(0) { $0 + $1.count }
            (state.pieces, state.first, state.owed) = ([], 0, 0)
            return state.end == nil ? credit : 0
        }
        if credit > 0 { giveCredit(UInt32(clamping: credit)) }
    }

    /// The next piece, not empty; `nil` at the end.
    func next() async throws -> [UInt8]? {
        let piece = try await line.next()
        payBack()
        return piece
    }

    private func payBack() {
        let credit = line.change { state in
            guard state.owed >= Self.portion, state.end == nil else { return 0 }
            defer { state.owed = 0 }
            return state.owed
        }
        if credit > 0 { giveCredit(UInt32(clamping: credit)) }
    }
}
