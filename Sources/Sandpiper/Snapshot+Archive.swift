import SandboxState

extension Snapshot {
    /// Reads the snapshot whole and compares it with what it was when it was made.
    /// - Throws: ``SandpiperError/refused(_:)`` when it is damaged, with what of it; `CancellationError`.
    public func verify() async throws { _ = try await Self.run(["verify", "--", id], on: host) }

    /// Writes the snapshot to an archive that a host with the same engine, and the image in its store, can import. All that
    /// was in the sandbox's memory and on its disk is in it, secrets too.
    /// - Parameter path: the file, which is there when it is whole; one of this name is replaced.
    /// - Throws: ``SandpiperError/refused(_:)``, `CancellationError`; then nothing is left.
    public func export(to path: String) async throws {
        _ = try await Self.run(["export", "--output=\(Self.argument(path))", "--", id], on: host)
    }

    /// Makes a snapshot of an archive, whoever wrote it.
    /// - Parameters:
    ///   - path: the archive.
    ///   - name: a name for the snapshot; the archive's own when it is missing.
    ///   - host: where it goes.
    /// - Throws: ``SandpiperError/refused(_:)`` with the reason, `CancellationError`; then nothing is left of it.
    public static func `import`(
        from path: String, name: String? = nil, on host: SandboxHost = SandboxHost()
    ) async throws -> Snapshot {
        let resolved = try await blocking { try host.resolved() }
        let output = try await run(
            ["import"] + (name.map { ["--name=\($0)"] } ?? []) + ["--", argument(path)], on: resolved)
        return try await find(output.filter { !$0.isWhitespace }, on: host)
    }

    /// A path that is not taken for a standard stream.
    private static func argument(_ path: String) -> String { path == "-" ? "./-" : path }

    private static func run(_ arguments: [String], on host: ResolvedHost) async throws -> String {
        let ending = try await Program.run("sandpiper-image", ["snapshot"] + arguments, on: host)
        guard ending.status == 0 else { throw SandpiperError.refused(ending.message) }
        return String(decoding: ending.output, as: UTF8.self)
    }
}
