import AgentProtocol
import FileProtocol

/// A conversation with the file server of a sandbox: the sandbox's files, for as long as it lasts.
///
/// Many tasks can use a session at once. What is carried out takes its place in one queue in the sandbox, but nothing
/// waits for the reader of a file or an archive, which is fetched piece by piece. Cancelling a task gives up what it asked
/// for, and closes what it opened.
///
/// ```swift
/// let files = FileSession(over: stream)
/// try await files.write(Array("hello\n".utf8), to: GuestPath(checking: "/tmp/greeting"))
/// let text = try await files.readAll(GuestPath(checking: "/etc/os-release"), limit: 1 << 20)
/// await files.close()
/// ```
public actor FileSession {
    private enum Slot {
        /// Sent; nobody waits yet.
        case sent
        case waited(CheckedContinuation<FileResponse, any Error>)
        case answered(FileResponse)
        /// Nobody is interested any more; what it opens is to be closed.
        case abandoned(opens: Bool)
    }

    private let stream: any ByteStream
    private var codec = FileClientCodec()
    private var slots: [UInt32: Slot] = [:]
    private var outgoing: [[UInt8]] = []
    private var sender: Task<Void, Never>?
    private var receiver: Task<Void, Never>?
    private var end: GuestFilesError?

    /// Speaks over a stream that nobody else uses.
    public init(over stream: some ByteStream) {
        self.stream = stream
        Task { await self.receive(from: stream) }
    }

    deinit {
        sender?.cancel()
        receiver?.cancel()
    }

    /// Ends the session: what is under way fails with ``GuestFilesError/closed(_:)``, and so does what comes later.
    public func close() async {
        guard end == nil else { return }
        stop(.closed(""))
        await stream.finish()
    }

    // MARK: Requests

    /// Sends a request and waits for its response.
    /// - Throws: ``GuestFilesError``, or `CancellationError`.
    func call(_ request: FileRequest) async throws -> FileResponse { try await response(to: try begin(request)) }

    /// Sends a request that is answered with nothing but success.
    func perform(_ request: FileRequest) async throws {
        guard case .done = try await call(request) else { throw unexpected() }
    }

    /// Sends a request; its response is waited for later.
    func begin(_ request: FileRequest) throws -> UInt32 {
        if let end { throw end }
        let (id, bytes) = try codec.encode(request)
        slots[id] = .sent
        outgoing.append(bytes)
        if sender == nil { sender = Task { await self.sendAll() } }
        return id
    }

    /// Waits for the response to a request that was sent.
    func response(to id: UInt32) async throws -> FileResponse {
        let response: FileResponse
        switch slots.removeValue(forKey: id) {
        case .answered(let early): response = early
        case .sent:
            response = try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    if Task.isCancelled {
                        slots[id] = .abandoned(opens: false)
                        continuation.resume(throwing: CancellationError())
                    } else {
                        slots[id] = .waited(continuation)
                    }
                }
            } onCancel: {
                Task { await self.cancel(id) }
            }
        case .waited, .abandoned, nil: throw end ?? .closed("")
        }
        if case .failed(let failure) = response {
            throw GuestFilesError.failed(code: failure.code, message: failure.message)
        }
        return response
    }

    private func cancel(_ id: UInt32) {
        guard case .waited(let continuation) = slots[id] else { return }
        slots[id] = .abandoned(opens: false)
        continuation.resume(throwing: CancellationError())
    }

    /// Opens something. Whoever gets the handle closes it; if the task is cancelled, that is done here.
    func open(_ request: FileRequest) async throws -> (handle: UInt32, response: FileResponse) {
        let id = try begin(request)
        do { return (id, try await response(to: id)) } catch {
            if error is CancellationError, slots[id] != nil { slots[id] = .abandoned(opens: true) }
            throw error
        }
    }

    /// Gives up what is open under a handle and the requests about it that were sent.
    func abandon(_ handle: UInt32, _ requests: [UInt32] = []) {
        for id in requests {
            if case .sent = slots[id] { slots[id] = .abandoned(opens: false) } else { slots[id] = nil }
        }
        // After the end of the session there is nothing to close.
        if let id = try? begin(.close(handle)) { slots[id] = .abandoned(opens: false) }
    }

    /// What is thrown when a response is none for its request; the session is over then.
    func unexpected() -> GuestFilesError {
        let error = GuestFilesError.misbehaved("a response that does not fit its request")
        stop(error)
        return error
    }

    // MARK: The stream

    private func sendAll() async {
        while !outgoing.isEmpty && end == nil {
            let bytes = outgoing.removeFirst()
            do { try await stream.send(bytes) } catch { stop(.closed("\(error)")) }
        }
        sender = nil
    }

    private func receive<Stream: ByteStream>(from stream: Stream) {
        guard end == nil else { return }
        receiver = Task { [weak self] in
            do {
                for try await bytes in stream.received {
                    guard let self, await self.took(bytes) else { return }
                }
                await self?.stop(.closed("the file server has ended"))
            } catch {
                await self?.stop(.closed("\(error)"))
            }
        }
    }

    /// Hands responses to those who wait for them.
    /// - Returns: whether the session goes on.
    private func took(_ bytes: [UInt8]) -> Bool {
        guard end == nil else { return false }
        do throws(GuestFilesError) {
            codec.receive(bytes)
            while let (id, response) = try codec.next() { deliver(response, to: id) }
        } catch {
            stop(error)
            return false
        }
        return true
    }

    private func deliver(_ response: FileResponse, to id: UInt32) {
        switch slots[id] {
        case .sent: slots[id] = .answered(response)
        case .waited(let continuation):
            slots[id] = nil
            continuation.resume(returning: response)
        case .abandoned(let opens):
            slots[id] = nil
            if case .failed = response { return }
            if opens { abandon(id) }
        case .answered, nil: break
        }
    }

    private func stop(_ reason: GuestFilesError) {
        guard end == nil else { return }
        end = reason
        let waiting = slots
        slots = [:]
        outgoing = []
        for slot in waiting.values {
            if case .waited(let continuation) = slot { continuation.resume(throwing: reason) }
        }
        receiver?.cancel()
    }
}
