import CLinux
import Glibc
import LinuxSystem
import NetworkStack

/// The engine's end of the guest's network device: a stream socket on which each Ethernet frame comes after its length in
/// 4 bytes, big-endian.
///
/// The bytes on both ways lie in two buffers of their own, in which frames are laid down and read in place. Neither grows:
/// what has no room stays in the stack, or in the socket.
final class FrameLink: FrameOutput {
    /// What is wrong with a link that is of no more use.
    enum Failure: Error {
        /// The engine has hung up.
        case ended
        /// The engine broke the protocol, or the socket failed.
        case broken
    }

    /// The longest frame that QEMU sends or takes, in bytes.
    private static let longestFrame = 65_536 + 4096
    private static let headSize = 4
    private static let capacity = 1 << 20
    /// How much is read at one time, so that nobody else waits long.
    private static let turn = 4 << 20

    let socket: Descriptor

    // Both are allocated in init and freed in deinit, and only the one thread of the gateway touches them. Each offset below
    // is kept between 0 and `capacity`.
    private let incoming = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    private let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    private var (readFrom, readTo) = (0, 0)
    private var (writeFrom, writeTo) = (0, 0)

    /// Whether a frame was refused room since the link was last empty.
    private(set) var wasFull = false
    /// Whether the socket may have something to read; until it says that it has not.
    var mayRead = true
    /// Whether the socket may take something; until it says that it does not.
    var mayWrite = true
    /// Whether no further frame is taken for the guest.
    var isClosed = false
    /// Bytes of frames in either direction.
    private(set) var (sent, received): (UInt64, UInt64) = (0, 0)
    /// Frames and bytes for the guest since they were last asked for.
    private var fresh: (frames: UInt64, bytes: UInt64) = (0, 0)

    init(_ socket: Descriptor) { self.socket = socket }

    deinit {
        incoming.deallocate()
        outgoing.deallocate()
    }

    // MARK: From the guest

    /// Whether a frame has come in part.
    var hasPartialFrame: Bool { readTo > readFrom }

    /// Hands over frames that have come, while `wanted` says so.
    /// - Throws: ``Failure``.
    func readFrames(while wanted: () -> Bool, _ body: (UnsafeRawBufferPointer) -> Void) throws(Failure) {
        var total = 0
        while total < Self.turn {
            while wanted(), let frame = try nextFrame() { body(frame) }
            guard mayRead, wanted() else { return }
            makeRoom()
            let room = Self.capacity - readTo
            let count = recv(socket.rawValue, incoming.baseAddress.map { $0 + readTo }, room, Int32(MSG_DONTWAIT))
            if count == 0 { throw .ended }
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { throw errno == ECONNRESET ? .ended : .broken }
                mayRead = false
                return
            }
            readTo += count
            total += count
            // That was all: of more, or of the end, the kernel tells. An engine that makes it stop short by sending
            // descriptors is heard with its next frame.
            if count < room { mayRead = false }
        }
    }

    private func nextFrame() throws(Failure) -> UnsafeRawBufferPointer? {
        guard readTo - readFrom >= Self.headSize else { return nil }
        let length = Int(UInt32(bigEndian: incoming.loadUnaligned(fromByteOffset: readFrom, as: UInt32.self)))
        guard length <= Self.longestFrame else { throw .broken }
        let end = readFrom + Self.headSize + length
        guard end <= readTo else { return nil }
        defer { readFrom = end }
        received &+= UInt64(length)
        return UnsafeRawBufferPointer(rebasing: incoming[(readFrom + Self.headSize)..<end])
    }

    /// Moves what is left to the front when the room behind it would not hold the rest of a frame.
    private func makeRoom() {
        if readFrom == readTo { (readFrom, readTo) = (0, 0) }
        guard Self.capacity - readFrom < 2 * Self.longestFrame, readFrom > 0 else { return }
        let rest = readTo - readFrom
        incoming.copyMemory(from: UnsafeRawBufferPointer(rebasing: incoming[readFrom..<readTo]))
        (readFrom, readTo) = (0, rest)
    }

    // MARK: To the guest

    /// Whether nothing waits to be sent.
    var isEmpty: Bool { writeFrom == writeTo }

    /// Whether the engine has taken all that there was for it.
    var isTaken: Bool { isEmpty && linux_unread_by_peer(socket.rawValue) == 0 }

    func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer? {
        guard !isClosed, count <= Self.longestFrame, writeTo + Self.headSize + count <= Self.capacity else {
            wasFull = true
            return nil
        }
        let start = writeTo + Self.headSize
        return UnsafeMutableRawBufferPointer(rebasing: outgoing[start..<start + count])
    }

    func commit(_ count: Int) {
        outgoing.storeBytes(of: UInt32(count).bigEndian, toByteOffset: writeTo, as: UInt32.self)
        writeTo += Self.headSize + count
        sent &+= UInt64(count)
        fresh = (fresh.frames &+ 1, fresh.bytes &+ UInt64(count))
    }

    /// Frames and bytes for the guest since this was last asked.
    func takeCounts() -> (frames: UInt64, bytes: UInt64) {
        defer { fresh = (0, 0) }
        return fresh
    }

    /// Gives the engine what it takes.
    /// - Returns: whether the stack, which was refused room, has some again.
    /// - Throws: ``Failure``.
    func flush() throws(Failure) -> Bool {
        while writeFrom < writeTo, mayWrite {
            let count = send(
                socket.rawValue, outgoing.baseAddress.map { $0 + writeFrom }, writeTo - writeFrom,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if count > 0 {
                writeFrom += count
            } else if errno != EINTR {
                guard errno == EAGAIN else { throw errno == EPIPE || errno == ECONNRESET ? .ended : .broken }
                mayWrite = false
            }
        }
        guard writeFrom == writeTo else { return false }
        (writeFrom, writeTo) = (0, 0)
        defer { wasFull = false }
        return wasFull
    }
}
