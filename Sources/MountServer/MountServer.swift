import CLinux
import Glibc
import LinuxSystem

/// Serves one directory or file to one guest, until the guest's stream ends.
///
/// One thread does everything, one request after the other: a guest's requests are short, and their order is then the
/// order of their effects.
final class MountServer {
    private let stream: Int32
    private let control: Int32
    private let parent: Int32
    private let service: MountService
    private let input: IncomingMessages
    private let out: OutgoingMessages
    /// Bytes that have come over the stream and gone, since this process began to serve.
    private var bytesRead: UInt64 = 0
    private var bytesWritten: UInt64 = 0
    private var controlIsOpen = true
    /// The stream, orders and the parent.
    private var waits: [pollfd]

    /// While so many bytes wait to be sent, nothing more is carried out.
    private static let mostPending = KernelProtocol.mostContent
    /// Replies are sent when so many bytes of them wait, or when no request does.
    private static let batch = 128 << 10
    /// Most bytes of requests that are taken in for a state.
    private static let mostInput = 64 << 20
    /// How long requests that were sent may still be under way, in milliseconds.
    private static let patience: Int32 = 5_000

    /// - Parameter stream: a connected stream socket for messages.
    /// - Parameter control: a connected socket for orders, which keeps their bounds.
    /// - Parameter parent: a descriptor of the process with whose end serving ends too, or -1.
    /// - Parameter state: what an earlier server knew.
    init(
        stream: Int32, control: Int32, parent: Int32, root: Int32, _ options: MountOptions, mostOpen: Int,
        state: [UInt8]
    ) throws(ServerFailure) {
        self.stream = stream
        self.control = control
        self.parent = parent
        umask(0)
        waits = [stream, control, parent].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        out = OutgoingMessages()
        do throws(ErrorNumber) {
            service = try MountService(root: root, options, out: out, mostOpen: mostOpen, umask: 0)
        } catch {
            throw ServerFailure("serve \(options.name)", error.code)
        }
        guard !state.isEmpty else {
            input = IncomingMessages()
            return
        }
        do throws(SavedState.Invalid) {
            let service = service
            let saved = try state.withUnsafeBytes { bytes in
                Result { () throws(SavedState.Invalid) in try SavedState(bytes, rootDevice: service.rootDevice) }
            }.get()
            try service.restore(saved)
            input = IncomingMessages(saved.unreadInput)
        } catch {
            throw ServerFailure("go on from a saved state of \(options.name)", because: error.description)
        }
    }

    /// Serves until the stream or the parent ends.
    func run() throws(ServerFailure) {
        do throws(ErrorNumber) {
            while try serveOnce() {}
        } catch {
            // The stream's other end is gone, or what comes from it makes no sense.
            if error.code == EPIPE || error.code == ECONNRESET { return }
            throw ServerFailure("serve \(service.options.name)", error.code)
        }
    }

    /// - Returns: whether the stream is still open.
    private func serveOnce() throws(ErrorNumber) -> Bool {
        try carryOut()
        waits[0].events = 0
        if !out.pending.isEmpty { waits[0].events |= Int16(POLLOUT) }
        if out.pending.count < Self.mostPending && input.hasRoom { waits[0].events |= Int16(POLLIN) }
        waits[1].fd = controlIsOpen ? control : -1
        guard poll(&waits, nfds_t(waits.count), -1) >= 0 else {
            if errno == EINTR { return true }
            throw ErrorNumber(errno)
        }
        if waits[2].revents != 0 { return false }
        if waits[1].revents != 0 { try obey() }
        if waits[0].revents & Int16(POLLIN) != 0 { return try receive() != .end }
        if waits[0].revents & Int16(POLLHUP | POLLERR) != 0, waits[0].events & Int16(POLLIN) != 0 { return false }
        if waits[0].revents & Int16(POLLERR) != 0 { return false }
        return true
    }

    /// Carries out what has come, as long as the replies find their way.
    private func carryOut() throws(ErrorNumber) {
        while out.pending.count < Self.mostPending, let message = try input.next() {
            try service.handle(message)
            if out.pending.count >= Self.batch { try send() }
        }
        try send()
    }

    /// Sends what can be sent without waiting.
    private func send() throws(ErrorNumber) {
        while true {
            let pending = out.pending
            if pending.isEmpty { return }
            let count = linux_send(stream, pending.baseAddress, pending.count, -1)
            if count >= 0 {
                out.remove(count)
                bytesWritten += UInt64(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                throw ErrorNumber(errno)
            }
        }
    }

    private func receive() throws(ErrorNumber) -> IncomingMessages.Received {
        let received = try input.receive(from: stream)
        if case .bytes(let count) = received { bytesRead += UInt64(count) }
        return received
    }

    // MARK: Orders

    private func obey() throws(ErrorNumber) {
        var text = [UInt8](repeating: 0, count: 64)
        var passed: Int32 = -1
        let count = text.withUnsafeMutableBytes { linux_receive(control, $0.baseAddress, $0.count, &passed) }
        let file = passed >= 0 ? Descriptor(owning: passed) : nil
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        guard count > 0 else {
            controlIsOpen = false
            return
        }
        let words = String(decoding: text.prefix(count), as: UTF8.self).split(separator: " ")
        guard words.count == 2, words[0] == "save", let expected = UInt64(words[1]), let file else {
            return ControlSocket.send("failed there is no such order, or it lacks its descriptor", on: control)
        }
        guard try takeIn(upTo: expected) else {
            return ControlSocket.send("failed the requests did not all come", on: control)
        }
        do throws(SystemError) {
            try save(to: file)
            ControlSocket.send("saved \(bytesWritten)", on: control)
        } catch {
            ControlSocket.send("failed save the state of \(service.options.name): \(error)", on: control)
        }
    }

    /// Takes in all that has been sent to the server, and carries it out as far as there is room for the replies.
    /// - Parameter expected: how many bytes were sent, of which some may still be under way.
    /// - Returns: whether they have come.
    private func takeIn(upTo expected: UInt64) throws(ErrorNumber) -> Bool {
        while true {
            try carryOut()
            if bytesRead == expected { return true }
            if !input.hasRoom {
                guard input.rest.count < Self.mostInput else { return false }
                input.grow()
            }
            switch try receive() {
            case .bytes: continue
            case .end: return false
            case .nothingYet: break
            }
            var waits = [waits[0], waits[2]]
            waits[0].events = Int16(POLLIN)
            let count = poll(&waits, nfds_t(waits.count), Self.patience)
            if count < 0 && errno != EINTR { throw ErrorNumber(errno) }
            if count == 0 || waits[1].revents != 0 { return false }
        }
    }

    private func save(to file: Descriptor) throws(SystemError) {
        var state = service.savedState()
        state.unreadInput = Array(input.rest)
        state.unsentOutput = Array(out.pending)
        let bytes = state.encoded()
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(SystemError) in try file.write(buffer, at: 0) }
        }
        try result.get()
        guard ftruncate(file.rawValue, off_t(bytes.count)) == 0 else { throw SystemError("shorten it") }
    }
}

/// Why a server cannot serve: one line.
struct ServerFailure: Error, CustomStringConvertible {
    let description: String

    init(_ attempt: String, because reason: String) { description = "\(attempt): \(reason)" }

    init(_ attempt: String, _ code: Int32) { description = SystemError(attempt, number: code).description }
}

/// What a server says to its owner.
enum ControlSocket {
    /// Sends one line. Nothing happens when nobody listens.
    static func send(_ line: String, on socket: Int32) {
        let bytes = Array(line.utf8.prefix(4096))
        bytes.withUnsafeBytes { _ = linux_send(socket, $0.baseAddress, $0.count, -1) }
    }
}
