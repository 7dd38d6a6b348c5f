import AgentProtocol
import DiskImage
import FuzzInput
import Glibc
import LinuxSystem

/// Writes the seeds that only Sandpiper's own code can make: `MakeSeeds CORPUS`, where the tar archives already are.
@main
struct MakeSeeds {
    static func main() throws {
        guard CommandLine.arguments.count == 2, let corpus = CommandLine.arguments.last else {
            throw SystemError("take one argument, the folder of the corpus", number: EINVAL)
        }
        for name in try FileTree.names(in: "\(corpus)/FuzzTar") {
            let archive = try Descriptor(opening: "\(corpus)/FuzzTar/\(name)").readAll(limit: 1 << 20)
            var writer = LayerWriter(data: MemoryFile.make())
            try archive.withUnsafeBytes { try writer.consume($0) }
            try write(writer.finish().encoded, "\(corpus)/FuzzLayerIndex/\(name)")
        }
        for (name, frame) in try Conversations.hostFrames() + Conversations.guestFrames() {
            try write(frame.encoded, "\(corpus)/FuzzFrames/\(name)")
        }
        for (name, frame) in try Conversations.supervisorFrames() + Conversations.guestFrames() {
            try write(frame.encoded, "\(corpus)/FuzzSupervisorMessages/\(name)")
        }
        for (name, frame) in try Conversations.clientFrames() + Conversations.hostFrames() {
            try write(frame.encoded, "\(corpus)/FuzzClientMessages/\(name)")
        }
        for (name, conversation) in try Conversations.all() {
            let bytes = conversation.flatMap { [$0.sender.rawValue] + $0.frame.encoded }
            try write(bytes, "\(corpus)/FuzzStreams/\(name)")
            try write(conversation.flatMap(\.frame.encoded), "\(corpus)/FuzzFrames/\(name)")
        }
        for (name, frame) in try FileConversation.frames() { try write(frame, "\(corpus)/FuzzFileMessages/\(name)") }
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws {
        try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).write(bytes)
    }
}
