import LinuxSystem

extension SandboxDirectory {
    /// Ids of the sandboxes that have files, sorted.
    public static func all(in home: Home) throws(StateError) -> [SandboxID] {
        try system { () throws(SystemError) in try FileTree.names(in: home.sandboxes) }.compactMap { SandboxID($0) }
    }

    /// The sandboxes and snapshots, by name or else by id, that need each image; images by the digests of their manifests.
    public static func users(in home: Home) throws(StateError) -> [String: [String]] {
        var users: [String: [String]] = [:]
        for id in try all(in: home) {
            let path = SandboxDirectory(id, in: home).record
            do {
                let record = try RecordFile.read(SandboxRecord.self, from: path)
                users[record.imageDigest, default: []].append(record.name ?? record.id)
            } catch {
                // What vanishes meanwhile belongs to a sandbox that ended.
                if FileTree.exists(path) { throw error }
            }
        }
        for (_, snapshot) in try SnapshotDirectory.all(in: home) {
            users[snapshot.sandbox.imageDigest, default: []].append("snapshot " + (snapshot.name ?? snapshot.id))
        }
        return users
    }

    /// Finds a sandbox by its name, its id or a unique start of its id.
    public static func find(_ text: String, in home: Home) throws(StateError) -> SandboxDirectory {
        if let id = SandboxID(text), FileTree.exists("\(home.sandboxes)/\(id)") {
            return SandboxDirectory(id, in: home)
        }
        if let name = SandboxName(text), let id = try find(named: name, in: home) {
            return SandboxDirectory(id, in: home)
        }
        let matches = text.isEmpty ? [] : try all(in: home).filter { $0.description.hasPrefix(text) }
        guard let id = matches.first else { throw .noSuchSandbox(text) }
        guard matches.count == 1 else { throw .ambiguous(text) }
        return SandboxDirectory(id, in: home)
    }

    static func find(named name: SandboxName, in home: Home) throws(StateError) -> SandboxID? {
        for id in try all(in: home) {
            // A record that vanishes meanwhile belongs to a sandbox that ended.
            let record = try? RecordFile.read(SandboxRecord.self, from: SandboxDirectory(id, in: home).record)
            if record?.name == name.description { return id }
        }
        return nil
    }
}
