import Glibc
import LinuxSystem
import Testing

/// What a sandbox may leave on the host: files and processes.
extension TestHome {
    /// Expects that no sandbox's files and no process of this home are there.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) async throws {
        #expect(sandboxes == [], "files are left", sourceLocation: location)
        #expect(processes().map(\.description) == [], "processes are left", sourceLocation: location)
    }

    /// What lies in the folders of sandboxes.
    var sandboxes: [String] {
        ["run", "sandboxes"].flatMap { folder in
            ((try? FileTree.names(in: "\(path)/\(folder)")) ?? []).map { "\(folder)/\($0)" }
        }
    }

    /// The processes of this home: those whose environment names it, and those that hold one of its files open, as an
    /// engine does, whose environment is empty.
    func processes(named name: String? = nil) -> [HostProcess] {
        let numbers = (try? FileTree.names(in: "/proc")) ?? []
        return numbers.compactMap { pid_t($0) }.map { HostProcess(pid: $0) }.filter { process in
            process.pid != getpid() && (name == nil || process.name == name)
                && (process.environment.contains("SANDPIPER_HOME=\(path)") || process.holdsFile(below: path))
        }
    }

    /// The one process of this home that has a name.
    func process(named name: String) throws -> HostProcess {
        let found = processes(named: name)
        return try #require(found.count == 1 ? found.first : nil, "\(found)")
    }

    /// Waits until every process of this home has ended.
    func waitForProcesses() async throws {
        for process in processes() { try await process.waitForEnd() }
    }
}

/// A process of the host.
struct HostProcess: CustomStringConvertible {
    let pid: pid_t

    var description: String { "\(pid) \(name)" }

    /// Its name, at most 15 bytes.
    var name: String { text("comm").split(separator: "\n").first.map { String($0) } ?? "" }

    /// Its environment; empty when it may not be read.
    var environment: [String] { text("environ").split(separator: "\0").map { String($0) } }

    /// A field of `/proc/PID/status`.
    func status(_ field: String) throws -> String {
        let line = text("status").split(separator: "\n").first { $0.hasPrefix("\(field):") }
        return try #require(line).dropFirst(field.count + 1).split(whereSeparator: \.isWhitespace).joined(
            separator: " ")
    }

    /// The targets of its open descriptors, by number; empty when they may not be read.
    var descriptors: [Int: String] {
        let numbers = (try? FileTree.names(in: "/proc/\(pid)/fd")) ?? []
        return Dictionary(
            uniqueKeysWithValues: numbers.compactMap { Int($0) }.compactMap { number in
                link("fd/\(number)").map { (number, $0) }
            })
    }

    func holdsFile(below path: String) -> Bool { descriptors.values.contains { $0.hasPrefix(path + "/") } }

    /// A symbolic link below `/proc/PID`.
    func link(_ name: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/\(pid)/\(name)", &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Text of a file below `/proc/PID`; empty when there is none.
    func text(_ name: String) -> String {
        String(decoding: (try? FileTree.read("/proc/\(pid)/\(name)", limit: 1 << 20)) ?? [], as: UTF8.self)
    }

    /// Kills it, and waits until it has ended: a dying process keeps its locks to its last moment, when neither its
    /// environment nor its descriptors show it any more.
    func kill() async throws {
        Glibc.kill(pid, SIGKILL)
        try await waitForEnd()
    }

    /// Waits until it has ended, at most a minute.
    func waitForEnd() async throws {
        guard let handle = try? Descriptor.process(pid) else { return }
        let ended = try await withCheckedThrowingContinuation { continuation in
            do {
                try DedicatedThread.start {
                    var events = pollfd(fd: handle.rawValue, events: Int16(POLLIN), revents: 0)
                    continuation.resume(returning: poll(&events, 1, 60_000) == 1)
                }
            } catch { continuation.resume(throwing: error) }
        }
        #expect(ended, "\(self) goes on")
    }
}
