import Glibc

/// Output of background children whose main process is gone: read and thrown away, so that they neither block nor die
/// of a closed pipe.
final class DiscardedOutput {
    private let loop: EventLoop
    private var sources: [ObjectIdentifier: Descriptor] = [:]
    private var readable: [Descriptor] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(loop: EventLoop) { self.loop = loop }

    /// Whether ``turn()`` could do something now.
    var hasWork: Bool { !readable.isEmpty }

    /// Takes over a non-blocking descriptor that nobody watches.
    func adopt(_ descriptor: Descriptor) {
        do throws(AgentError) {
            try loop.watch(descriptor, for: .input) { [unowned self, unowned descriptor] _ in
                if !readable.contains(where: { $0 === descriptor }) { readable.append(descriptor) }
            }
            sources[ObjectIdentifier(descriptor)] = descriptor
        } catch {
            logLine("\(error)")
        }
    }

    /// Reads once from each readable source.
    func turn() {
        let round = readable
        readable = []
        for descriptor in round {
            let count = buffer.withUnsafeMutableBytes { read(descriptor.number, $0.baseAddress, $0.count) }
            if count > 0 || (count < 0 && errno == EINTR) {
                readable.append(descriptor)
            } else if count == 0 || errno != EAGAIN {
                loop.forget(descriptor)
                sources[ObjectIdentifier(descriptor)] = nil
            }
        }
    }
}
