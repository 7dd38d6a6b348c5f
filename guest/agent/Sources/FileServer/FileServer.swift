import AgentProtocol
import FileProtocol
import Glibc
import TreeArchive

/// Serves the files below a root to one client, in a process of its own: requests come in on one descriptor, responses
/// go out on another.
///
/// The client is the host and is not trusted to be well behaved: what it can make this process hold is bounded. The
/// files are the guest's and are not trusted at all.
public final class FileServer {
    /// Most that can be open at one time.
    private static let mostHandles = 256
    /// Responses are written when so many bytes of them wait, or when no request does.
    private static let mostWaiting = 1_048_576

    /// Something that is read or written piece by piece.
    enum Item {
        case directory(DirectoryPages)
        case reading(any ByteProducer)
        case writing(any ByteConsumer)
        case watch(TreeWatch)
    }

    let tree: GuestTree
    var items: [FileRequest.Handle: Item] = [:]
    let identity: (String, String) -> (UInt32, UInt32)?
    private let input: Int32
    private let output: Int32
    private var decoder = FileFrameDecoder()
    private var responses: [UInt8] = []
    /// Requests for events that have not happened yet: the watch's handle, and the request's number.
    private var waiting: [FileRequest.Handle: UInt32] = [:]

    /// Serves what is below a directory.
    /// - Parameters:
    ///   - root: open for reading; nothing outside it is reached.
    ///   - input: where requests come from; blocking.
    ///   - output: where responses go; blocking.
    ///   - identity: finds whom names or numbers of an owner and a group mean; the empty name means nobody, which is
    ///     `UInt32.max`. Returns `nil` when there is no such user or group.
    public init(
        root: OpenFile, input: Int32, output: Int32, identity: @escaping (String, String) -> (UInt32, UInt32)?
    ) {
        tree = GuestTree(root: root)
        self.input = input
        self.output = output
        self.identity = identity
    }

    /// Serves until the end of the input.
    /// - Throws: ``ProtocolError`` when what comes in is no request, ``FileCallError`` when a stream fails.
    public func serve() throws {
        var buffer = [UInt8](repeating: 0, count: 262_144)
        while true {
            while let frame = try decoder.next() {
                answer(frame.id, try FileRequest(frame.payload))
                if responses.count >= Self.mostWaiting { try flush() }
            }
            try flush()
            try waitForInput()
            let count = try FileCallError.check("read requests") {
                buffer.withUnsafeMutableBytes { read(input, $0.baseAddress, $0.count) }
            }
            if count == 0 { return }
            decoder.append(buffer[..<count])
        }
    }

    private func flush() throws(FileCallError) {
        var done = 0
        while done < responses.count {
            done += try FileCallError.check("write responses") {
                responses.withUnsafeBytes { write(output, $0.baseAddress.map { $0 + done }, $0.count - done) }
            }
        }
        responses.removeAll(keepingCapacity: responses.capacity <= 2 * Self.mostWaiting)
    }

    /// Waits until there is input, and meanwhile answers those who wait for events.
    private func waitForInput() throws(FileCallError) {
        while !waiting.isEmpty {
            let handles = Array(waiting.keys)
            var descriptors = [pollfd(fd: input, events: Int16(POLLIN), revents: 0)]
            for handle in handles {
                guard case .watch(let watch) = items[handle] else { continue }
                descriptors.append(pollfd(fd: watch.inotify.number, events: Int16(POLLIN), revents: 0))
            }
            try FileCallError.check("wait for requests") { poll(&descriptors, nfds_t(descriptors.count), -1) }
            for (handle, descriptor) in zip(handles, descriptors.dropFirst()) where descriptor.revents != 0 {
                guard let id = waiting.removeValue(forKey: handle) else { continue }
                answer(id, .nextEvents(handle))
            }
            try flush()
            if descriptors[0].revents != 0 { return }
        }
    }

    /// Events of a watch.
    /// - Returns: `nil` when there are none yet; then the request is answered when there are.
    func nextEvents(_ handle: FileRequest.Handle, _ id: UInt32) throws(FileCallError) -> FileResponse? {
        guard case .watch(let watch) = items[handle] else { throw Self.notOpen }
        guard waiting[handle] == nil else {
            throw FileCallError("wait for events", code: EBUSY, detail: "somebody waits for them already")
        }
        let events = try watch.take()
        if !events.isEmpty { return .events(events) }
        waiting[handle] = id
        return nil
    }

    /// Closes what is open under a handle; who waits for its events waits no longer.
    func close(_ handle: FileRequest.Handle) throws(FileCallError) {
        guard items.removeValue(forKey: handle) != nil else { throw Self.notOpen }
        guard let id = waiting.removeValue(forKey: handle) else { return }
        respond(id, .failed(FileFailure(code: ECANCELED, message: "the watch was closed")))
    }

    private func answer(_ id: UInt32, _ request: FileRequest) {
        do throws(FileCallError) {
            if let response = try carryOut(request, id) { respond(id, response) }
        } catch {
            respond(id, .failed(FileFailure(code: error.code, message: error.description)))
        }
    }

    private func respond(_ id: UInt32, _ response: FileResponse) {
        do throws(ProtocolError) { responses += try FileFrame(id: id, payload: response.payload).encoded() } catch {
            // Only names and values of attributes can be so long, and the kernel bounds them to less.
            respond(id, .failed(FileFailure(code: E2BIG, message: "the answer is too long")))
        }
    }

    // MARK: Handles

    /// Opens something under the number of the request that asked for it.
    func open(_ id: FileRequest.Handle, _ item: () throws(FileCallError) -> Item) throws(FileCallError) {
        guard items[id] == nil else {
            throw FileCallError("open it", code: EEXIST, detail: "the number \(id) is in use")
        }
        guard items.count < Self.mostHandles else {
            throw FileCallError("open it", code: EMFILE, detail: "more than \(Self.mostHandles) things are open")
        }
        items[id] = try item()
    }

    static let notOpen = FileCallError("go on", code: EBADF, detail: "nothing of that kind is open under this number")
}

/// What gives bytes piece by piece: a file or an archive.
protocol ByteProducer: AnyObject {
    /// At most `count` bytes, which is at least 1; none at the end.
    func next(_ count: Int) throws(FileCallError) -> [UInt8]
}

/// What takes bytes piece by piece: a file or an archive. What is not finished when it goes is undone as far as it was
/// promised.
protocol ByteConsumer: AnyObject {
    func write(_ bytes: [UInt8]) throws(FileCallError)
    func finish() throws(FileCallError)
}
