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

    /// Serves a client whose socket was inherited, until it goes or the session ends.
    func serve(_ control: Descriptor) async {
        guard let channel = try? await FrameChannel.frames(control, on: group) else { return }
        await serve(channel)
    }

    private func serve(_ channel: FrameChannel) async {
        // Only processes of the same user, and root, come through the directory's mode; this holds if that is changed.
        guard await Self.isTrusted(channel.channel) else {
            try? await channel.channel.close()
            return
        }
        try? await channel.executeThenClose { inbound, outbound in
            let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
            guard let client = await session.connect(queue) else { return }
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    do { for try await frame in inbound { try await session.receive(frame, from: client) } } catch {}
                }
                tasks.addTask {
                    for await frame in frames {
                        do { try await outbound.write(frame) } catch { return }
                    }
                }
                await tasks.next()
                tasks.cancelAll()
            }
            await session.disconnect(client)
        }
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
