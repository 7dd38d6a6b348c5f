import Glibc
import LinuxSystem

/// Runs a program to its end.
struct ChildProgram {
    /// How a program ended, and the beginning of what it wrote to standard output and error.
    struct Outcome {
        /// The exit status, or 128 and the signal's number.
        var status: Int32
        var output: [UInt8]
    }

    let path: String
    let arguments: [String]
    var environment: [String] = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]

    /// Starts the program without a shell, without input and with no descriptors but its three, and waits for it.
    /// - Parameter outputLimit: bytes of output that are kept; the rest is read and dropped.
    func run(outputLimit: Int = 16 << 10) throws(SystemError) -> Outcome {
        let (child, reading) = try start()
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let result = chunk.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in try reading.read(into: buffer) }
            }
            guard case .success(let count) = result, count > 0 else { break }
            output += chunk[..<min(count, outputLimit - output.count)]
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw SystemError("wait for", path) }
        }
        let signal = status & 0x7f
        return Outcome(status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: output)
    }

    /// The writing end of the pipe is closed on return, so that the pipe ends with the program.
    private func start() throws(SystemError) -> (pid_t, Descriptor) {
        let (reading, writing) = try Descriptor.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, writing.rawValue, 1)
        posix_spawn_file_actions_adddup2(&actions, writing.rawValue, 2)

        var child = pid_t()
        let argv = ([path] + arguments).map { strdup($0) } + [nil]
        let envp = environment.map { strdup($0) } + [nil]
        defer { for text in argv + envp { free(text) } }
        let error = posix_spawn(&child, path, &actions, nil, argv, envp)
        guard error == 0 else { throw SystemError("start", path, number: error) }
        return (child, reading)
    }
}
