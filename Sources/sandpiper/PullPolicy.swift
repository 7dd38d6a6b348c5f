import ArgumentParser
import ControlClient
import Glibc
import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// When `run` fetches the image first.
enum PullPolicy: String, ExpressibleByArgument, CaseIterable {
    case always
    case missing
    case never

    /// Finds an image that machines of this host run, fetching it if need be.
    func find(
        _ text: String, in store: ImageStore, _ installation: Installation, _ signals: SignalDescriptor
    ) throws -> StoredImage {
        let present = try self == .always ? nil : present(text, in: store)
        let image = try present ?? fetched(text, in: store, installation, signals)
        let platform = image.record.platform
        guard platform.os.isEmpty && platform.architecture.isEmpty || Platform.host.rank(of: platform) != nil else {
            throw Failure("the image \(text) is for \(platform), machines here run \(Platform.host)")
        }
        return image
    }

    /// The image, if it is here; `nil` when it is to be fetched.
    private func present(_ text: String, in store: ImageStore) throws -> StoredImage? {
        do { return try store.resolve(text) } catch {
            guard case .notFound = error, self == .missing, (try? Reference(text)) != nil else { throw error }
            return nil
        }
    }

    private func fetched(
        _ text: String, in store: ImageStore, _ installation: Installation, _ signals: SignalDescriptor
    ) throws -> StoredImage {
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        let program = try installation.executable("sandpiper-image")
        let pid = try spawn([program, "pull", "--", text], [(null, 0), (null, 1)], inNewSession: false)
        let status = try wait(for: pid, signals)
        // It has said why.
        guard status == 0 else { throw ExitStatusError(code: status) }
        return try store.resolve(text)
    }

    /// Waits for the end of a program, to which it passes the signals that are to end this one.
    private func wait(for pid: pid_t, _ signals: SignalDescriptor) throws -> Int32 {
        let process = try Descriptor.process(pid)
        while true {
            var descriptors = [
                pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&descriptors, 2, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the image") }
            if descriptors[0].revents != 0 { break }
            if descriptors[1].revents != 0 {
                let signal = try signals.next()
                if signal != SIGWINCH { kill(pid, signal) }
            }
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}
