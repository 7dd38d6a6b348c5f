import Glibc
import LinuxSystem
import Synchronization

/// The thread that waits for what this program's tasks wait for: descriptors that become readable, each once.
final class DescriptorWatcher: Sendable {
    static let shared = Result { () throws(SystemError) in try DescriptorWatcher() }

    private struct Watched {
        let descriptor: Descriptor
        let ready: Eventual<Void>
        /// Done before anybody hears of it.
        let first: (@Sendable () -> Void)?
    }

    private let watched = Mutex<[Int32: Watched]>([:])
    private let changed: EventDescriptor

    private init() throws(SystemError) {
        changed = try EventDescriptor()
        try DedicatedThread.start { self.run() }
    }

    /// Waits for a descriptor to become readable, or to end.
    /// - Parameter first: done then, on the watcher's thread, also when nobody waits any more.
    /// - Returns: what is settled then.
    func add(_ descriptor: Descriptor, first: (@Sendable () -> Void)? = nil) -> Eventual<Void> {
        let ready = Eventual<Void>()
        watched.withLock { $0[descriptor.rawValue] = Watched(descriptor: descriptor, ready: ready, first: first) }
        changed.signal()
        return ready
    }

    /// Nobody waits for the descriptor any more, unless something is to be done then.
    func forget(_ descriptor: Descriptor) {
        watched.withLock { watched in
            if let known = watched[descriptor.rawValue], known.descriptor === descriptor, known.first == nil {
                watched[descriptor.rawValue] = nil
            }
        }
        changed.signal()
    }

    private func run() {
        while true {
            let all = watched.withLock { Array($0.values) }
            var descriptors = [pollfd(fd: changed.descriptor.rawValue, events: Int16(POLLIN), revents: 0)]
            descriptors += all.map { pollfd(fd: $0.descriptor.rawValue, events: Int16(POLLIN), revents: 0) }
            guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { continue }
            if descriptors[0].revents != 0 { changed.reset() }
            for (one, result) in zip(all, descriptors.dropFirst()) where result.revents != 0 {
                one.first?()
                watched.withLock { watched in
                    if watched[one.descriptor.rawValue]?.ready === one.ready {
                        watched[one.descriptor.rawValue] = nil
                    }
                }
                one.ready.settle()
            }
        }
    }
}
