import TrafficInspection

/// Follows a connection of HTTP. The first byte says how large the pieces are, 0xFF stands between what the client and
/// what the server sends by turns. What is seen and what passes must not depend on the pieces.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTPRequests(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let size = input.first else { return 0 }
    let turns = input.dropFirst().split(separator: 0xFF, omittingEmptySubsequences: false).map(Array.init)
    var (whole, pieces) = (Connection(), Connection())
    for (index, turn) in turns.enumerated() {
        if index % 2 == 0 {
            whole.client(turn, size: turn.count)
            pieces.client(turn, size: Int(size) + 1)
        } else {
            whole.server(turn, size: turn.count)
            pieces.server(turn, size: Int(size) + 1)
        }
    }
    precondition(whole.requests == pieces.requests && whole.passed == pieces.passed, "it depends on the pieces")
    return 0
}

private struct Connection {
    var tracker = HTTPRequestTracker()
    var held: [UInt8] = []
    var requests: [HTTPRequest] = []
    var passed = 0

    mutating func client(_ bytes: [UInt8], size: Int) {
        var start = 0
        while start < bytes.count {
            let end = min(start + size, bytes.count)
            held += bytes[start..<end]
            start = end
            run()
        }
    }

    mutating func server(_ bytes: [UInt8], size: Int) {
        var start = 0
        while start < bytes.count {
            let end = min(start + size, bytes.count)
            tracker.observe(server: bytes.span.extracting(start..<end))
            start = end
        }
        run()
    }

    private mutating func run() {
        while true {
            let bytes = held
            switch tracker.next(bytes.span) {
            case .pass(let count): pass(count)
            case .request(let request, let count):
                requests.append(request)
                pass(count)
            case .opaque:
                if held.isEmpty { return }
                pass(held.count)
            case .needMore, .needAnswer, .fault: return
            }
        }
    }

    private mutating func pass(_ count: Int) {
        precondition(count > 0 && count <= held.count, "more passes than there is")
        passed += count
        held.removeFirst(count)
    }
}
