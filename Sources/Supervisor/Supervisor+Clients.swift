import AgentProtocol
import Control
import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState

extension Supervisor {
    /// Serves clients that connect to the control socket, until cancelled.
    func listen() async throws {
        let place = try Descriptor(opening: directory.socketDirectory, O_RDONLY | O_DIRECTORY)
        let socket = try UnixSocket.listen(SandboxDirectory.controlSocketName, in: place)
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.maxMessagesPerRead, value: 16)
            .bind(try socket.duplicateForTransfer()) { channel in
                channel.eventLoop.makeCompletedFuture { try FrameChannel.frames(adopting: channel) }
            }
        try await withThrowingDiscardingTaskGroup { clients in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    clients.addTask { await serve(connection) }
                }
            }
        }
    }

    /// A client's place in the session.
    struct Seat: Sendable {
        let client: StreamRouter.ClientID
        let frames: AsyncStream<Frame>
    }

    /// Takes a place for a client; `nil` when there are too many.
    func takeSeat() async -> Seat? {
        let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
        return await session.connect(queue).map { Seat(client: $0, frames: frames) }
    }

    /// Serves a client whose socket was inherited and that has a seat, until it goes or the session ends.
    func serve(_ control: Descriptor, _ seat: Seat) async {
        guard let channel = try? await FrameChannel.frames(control, on: group) else {
            return await session.disconnect(seat.client)
        }
        await serve(channel, seat)
    }

    private func serve(_ channel: FrameChannel) async {
        // Only processes of the same user, and root, come through the directory's mode; this holds if that is changed.
        guard await Self.isTrusted(channel.channel), let seat = await takeSeat() else {
            try? await channel.executeThenClose { _, _ in }
            return
        }
        await serve(channel, seat)
    }

    private func serve(_ channel: FrameChannel, _ seat: Seat) async {
        try? await channel.executeThenClose { inbound, outbound in
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    do { for try await frame in inbound { try await session.receive(frame, from: seat.client) } } catch
                    {}
                }
                tasks.addTask {
                    for await frame in seat.frames {
                        do { try await outbound.write(frame) } catch { return }
                    }
                }
                await tasks.next()
                tasks.cancelAll()
            }
        }
        await session.disconnect(seat.client)
    }

    private static func isTrusted(_ channel: any NIOCore.Channel) async -> Bool {
        guard let provider = channel as? any SocketOptionProvider else { return false }
        let peer: PeerCredentials? = try? await provider.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: SO_PEERCRED)
        )
        .get()
        return peer.map { $0.uid == geteuid() || $0.uid == 0 } ?? false
    }
}

/// `struct ucred` of unix(7), which the C library shows only to those that define _GNU_SOURCE.
private struct PeerCredentials: Sendable {
    var pid: pid_t = 0
    var uid: uid_t = 0
    var gid: gid_t = 0
}
