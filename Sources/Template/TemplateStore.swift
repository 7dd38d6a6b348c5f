import Engine
import Glibc
import LinuxSystem

/// The templates of one user: `templates/<name>/` with `memory`, `state`, `upper`, perhaps `engine` and
/// `engine.layout`, and `manifest.json`, each published by one
/// rename of its directory, and `templates/<name>.lock`, held by whoever makes or removes it.
public struct TemplateStore: Sendable {
    /// How much disk templates take before the least recently used ones go, in bytes.
    public static let defaultBudget: Int64 = 8 << 30

    private let directory: String
    private let budget: Int64

    /// The store of the home at `home`.
    /// - Parameter budget: how much disk all templates together may take, in bytes.
    public init(home: String, budget: Int64 = defaultBudget) {
        directory = home + "/templates"
        self.budget = budget
    }

    /// A template as ``list()`` tells of it.
    public struct Entry: Encodable, Sendable, Equatable {
        /// Its name: 16 hexadecimal digits.
        public var name: String
        /// Virtual processors.
        public var cpus: Int
        /// Memory in bytes.
        public var memory: Int64
        /// `kvm` or `emulated`.
        public var accelerator: String
        /// Disk it takes, in bytes.
        public var diskUsage: Int64
        /// When it was made, in seconds since 1970-01-01 00:00 UTC.
        public var created: Int64
        /// When it was last looked for, in the same way.
        public var lastUse: Int64
        /// Why its forks start an engine of their own, though they are emulated and would begin faster with a frozen one.
        public var engineProblem: String?
    }

    // MARK: Finding

    /// The template for machines of this kind. It is made first when there is none, or none that is sound; of many who
    /// ask at once, in whatever process, one makes it and the others wait.
    /// - Throws: ``TemplateError``.
    public func template(
        for specification: TemplateSpecification, on engine: EngineFinder.Engine
    ) async throws(TemplateError) -> Template {
        if let found = try find(specification, on: engine) { return found }
        let lock = try await lock(try name(specification, engine))
        defer { withExtendedLifetime(lock) {} }
        if let found = try find(specification, on: engine) { return found }
        guard !Task.isCancelled else { throw .cancelled }
        let builder = try TemplateBuilder(specification, engine, in: directory)
        try await builder.build()
        guard let built = try find(specification, on: engine) else {
            throw .notReady(reason: "what was written is not what is there", console: "")
        }
        prune(to: budget, sparing: built.name)
        return built
    }

    /// The template for machines of this kind, when there is a sound one. Reads its state, not its memory.
    /// - Throws: ``TemplateError`` when something that a template depends on is not there.
    public func find(
        _ specification: TemplateSpecification, on engine: EngineFinder.Engine
    ) throws(TemplateError) -> Template? {
        let key: TemplateKey
        do { key = try TemplateKey(specification, on: engine) } catch { throw .system(error) }
        let path = "\(directory)/\(key.name)"
        // Whatever is wrong with it, it is then made anew.
        guard let manifest: TemplateManifest = try? ManifestFile.read(path + "/manifest.json"), manifest.key == key,
            let memory = try? Descriptor(opening: path + "/memory"), let status = try? memory.status(),
            FileIdentity(status) == manifest.memory, manifest.memory.size == key.memory,
            let upper = try? Descriptor(opening: path + "/upper"), let status = try? upper.status(),
            FileIdentity(status) == manifest.upper,
            let state = try? FileTree.read(path + "/state"), Checksum(state).value == manifest.stateChecksum
        else { return nil }
        var engine: FrozenEngine?
        if let files = manifest.engine {
            guard let frozen = frozenEngine(files, in: path) else { return nil }
            engine = frozen
        }
        // The time of the last use, for pruning; it is no harm when it cannot be noted.
        utimensat(AT_FDCWD, path + "/manifest.json", nil, 0)
        return Template(
            name: key.name, cpus: key.cpus, memory: key.memory, memoryFile: memory, freshDisk: upper, state: state,
            engine: engine, fingerprint: manifest.fingerprint)
    }

    /// A template's engine; `nil` when it is damaged, or was frozen before the host's last boot.
    private func frozenEngine(_ files: TemplateManifest.Engine, in path: String) -> FrozenEngine? {
        guard (try? HostClock.boot()) == files.boot,
            let program = try? Descriptor(opening: path + "/engine"), let status = try? program.status(),
            FileIdentity(status) == files.program,
            let text = try? FileTree.read(path + "/engine.layout", limit: 1 << 20),
            Checksum(text).value == files.layoutChecksum,
            let layout = FrozenEngine.Layout(text: String(decoding: text, as: UTF8.self))
        else { return nil }
        return FrozenEngine(program: program, layout: layout)
    }

    private func name(
        _ specification: TemplateSpecification, _ engine: EngineFinder.Engine
    ) throws(TemplateError) -> String {
        do { return try TemplateKey(specification, on: engine).name } catch { throw .system(error) }
    }

    private func lock(_ name: String) async throws(TemplateError) -> FileLock {
        let (directory, path) = (directory, "\(directory)/\(name).lock")
        do {
            return try await DedicatedThread.value {
                Result { () throws(SystemError) in
                    try FileTree.makeDirectory(directory)
                    return try FileLock.wait(path)
                }
            }.get()
        } catch { throw .system(error) }
    }

    // MARK: Keeping house

    /// All templates that say what they are, the most recently used first.
    /// - Throws: ``TemplateError/system(_:)``.
    public func list() throws(TemplateError) -> [Entry] {
        let names: [String]
        do { names = try FileTree.names(in: directory) } catch { throw .system(error) }
        let entries = names.filter(Self.isName).compactMap { name -> Entry? in
            let path = "\(directory)/\(name)"
            var status = stat()
            guard let manifest: TemplateManifest = try? ManifestFile.read(path + "/manifest.json"),
                stat(path + "/manifest.json", &status) == 0
            else { return nil }
            return Entry(
                name: name, cpus: manifest.key.cpus, memory: manifest.key.memory,
                accelerator: manifest.key.accelerator, diskUsage: FileTree.diskUsage(path), created: manifest.created,
                lastUse: Int64(status.st_mtim.tv_sec), engineProblem: manifest.engineProblem)
        }
        return entries.sorted { ($0.lastUse, $0.name) > ($1.lastUse, $1.name) }
    }

    /// Reads all of a template. Blocks for about a second for each few GiB.
    /// - Returns: what is wrong with it, in one line, or `nil`.
    /// - Throws: ``TemplateError/noSuchTemplate(_:)``.
    public func verify(_ name: String) throws(TemplateError) -> String? {
        let path = "\(directory)/\(name)"
        guard Self.isName(name), FileTree.exists(path) else { throw .noSuchTemplate(name) }
        guard let manifest: TemplateManifest = try? ManifestFile.read(path + "/manifest.json"),
            manifest.key.name == name
        else {
            return "its manifest is damaged"
        }
        do {
            let state = try FileTree.read(path + "/state")
            guard Checksum(state).value == manifest.stateChecksum else { return "its state is damaged" }
            let memory = try Descriptor(opening: path + "/memory")
            guard FileIdentity(try memory.status()) == manifest.memory else { return "its memory file is another one" }
            guard try MemoryImage.checksum(of: memory).value == manifest.memoryChecksum else {
                return "its memory is damaged"
            }
            let upper = try Descriptor(opening: path + "/upper")
            guard FileIdentity(try upper.status()) == manifest.upper,
                try MemoryImage.checksum(of: upper).value == manifest.upperChecksum
            else { return "its disk is damaged" }
            if let files = manifest.engine {
                guard frozenEngine(files, in: path) != nil else {
                    return "its engine is damaged, or of an earlier boot"
                }
                let sum = try MemoryImage.checksum(of: try Descriptor(opening: path + "/engine"))
                guard sum.value == files.programChecksum else { return "its engine is damaged" }
            }
            return nil
        } catch { return "\(error)" }
    }

    /// Removes a template; machines that run from it keep what they need until they end.
    /// - Returns: whether it was removed; `false` when it is being made just now.
    /// - Throws: ``TemplateError``.
    @discardableResult
    public func remove(_ name: String) throws(TemplateError) -> Bool {
        let path = "\(directory)/\(name)"
        guard Self.isName(name), FileTree.exists(path) else { throw .noSuchTemplate(name) }
        return try TemplateError.wrap {
            guard let lock = try FileLock.attempt(path + ".lock") else { return false }
            defer { withExtendedLifetime(lock) {} }
            try Self.removeDirectory(path)
            return true
        }
    }

    /// Removes what killed builders left, then the least recently used templates until the rest takes at most `budget`
    /// bytes. What cannot be removed now is left for the next time.
    /// - Returns: the names of the templates that were removed.
    @discardableResult
    public func prune(to budget: Int64) -> [String] { prune(to: budget, sparing: nil) }

    @discardableResult
    private func prune(to budget: Int64, sparing spared: String?) -> [String] {
        for leftover in ((try? FileTree.names(in: directory)) ?? []).filter({ $0.hasPrefix("tmp.") }) {
            let name = String(leftover.dropFirst(4))
            guard let lock = try? FileLock.attempt("\(directory)/\(name).lock") else { continue }
            withExtendedLifetime(lock) { try? FileTree.removeTree("\(directory)/\(leftover)") }
        }
        var total: Int64 = 0
        var removed: [String] = []
        for entry in (try? list()) ?? [] {
            total += entry.diskUsage
            if total > budget, entry.name != spared, (try? remove(entry.name)) == true {
                total -= entry.diskUsage
                removed.append(entry.name)
            }
        }
        return removed
    }

    /// Removes a template's directory; without a manifest, which goes first, it is none.
    static func removeDirectory(_ path: String) throws(SystemError) {
        try FileTree.removeFile(path + "/manifest.json")
        try FileTree.removeTree(path)
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.count == 16 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
