import CCheckpoint
import Foundation
import Glibc
import LinuxSystem
import Testing

/// Processes of tests, started with descriptors of their choice.
enum Spawned {
    /// Starts a program with these as descriptors 0, 1, 2 …; `nil` is this process's own for 2, and closed for others.
    static func start(_ path: String, _ arguments: [String], _ descriptors: [Descriptor?]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Above all targets first, so that none is overwritten before it is copied.
        let high = try descriptors.map { try $0?.duplicate(atLeast: Int32(descriptors.count) + 50) }
        for (number, descriptor) in high.enumerated() {
            if let descriptor {
                posix_spawn_file_actions_adddup2(&actions, descriptor.rawValue, Int32(number))
            } else if number > 2 {
                posix_spawn_file_actions_addclose(&actions, Int32(number))
            }
        }
        // Whatever else this process has open; to close what is not is no error.
        for number in max(descriptors.count, 3)..<1024 {
            posix_spawn_file_actions_addclose(&actions, Int32(number))
        }
        var pid: pid_t = 0
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var result = posix_spawn(&pid, path, &actions, nil, argv, [nil])
        // A child that another test is just starting has the program open for writing, for a moment.
        for _ in 0..<500 where result == ETXTBSY {
            usleep(10_000)
            result = posix_spawn(&pid, path, &actions, nil, argv, [nil])
        }
        guard result == 0 else { throw SystemError("start", path, number: result) }
        return pid
    }

    /// Kills a process and reaps it.
    static func end(_ pid: pid_t) {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// The exit code of a process that ends by itself.
    static func status(of pid: pid_t) -> Int32 {
        var status: Int32 = 0
        guard waitpid(pid, &status, 0) == pid else { return -1 }
        return status & 0x7f == 0 ? status >> 8 : -status
    }

    /// The next line of a pipe.
    static func line(_ pipe: Descriptor) throws -> String {
        var line: [UInt8] = []
        while true {
            var byte: UInt8 = 0
            let count = try withUnsafeMutableBytes(of: &byte) { try pipe.read(into: $0) }
            if count == 0 || byte == 0x0a { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }

    /// Returns when the process's main thread sleeps in read(2).
    static func waitUntilAsleep(_ pid: pid_t) throws {
        for _ in 0..<1000 {
            let call = String(decoding: try FileTree.read("/proc/\(pid)/syscall", limit: 4096), as: UTF8.self)
            if call.hasPrefix("0 ") { return }
            usleep(10_000)
        }
        Issue.record("process \(pid) does not wait")
    }
}
