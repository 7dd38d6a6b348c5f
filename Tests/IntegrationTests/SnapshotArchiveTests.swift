import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Snapshots that go to another home and back, and what is refused of them.
@Suite(.needsMachines, .serialized) struct SnapshotArchiveTests {
    /// A running sandbox with memory that can be told, written down as `first` and exported to `archive`.
    private static func exported(_ home: TestHome, _ body: (String) async throws -> Void) async throws {
        _ = try await home.create("parent", command: ["sh", "-c", PauseTests.counter])
        let script = "head -c 3000000 /dev/urandom > /dev/shm/x; head -c 2000000 /dev/urandom > /file; \(sums)"
        let before = try await home.exec("parent", script)
        #expect(before.lines.count == 2, "\(before.error)")
        #expect(try await home.sandpiper("snapshot", "create", "parent", "first").status == 0)
        let exported = try await home.sandpiper("snapshot", "export", "first", "-o", "\(home.scratch)/archive")
        #expect(exported.status == 0, "\(exported.error)")
        try await body(before.output)
        try await home.remove(all: ["parent"])
    }

    private static let sums = "sha256sum < /dev/shm/x; sha256sum < /file"

    @Test("an exported snapshot goes on in another home, with memory, disk, processes and logs")
    func otherHome() async throws {
        try await TestHome.with { home in
            try await Self.exported(home) { sums in
                try await TestHome.with { other in
                    let piped = try await other.host(
                        "sandpiper snapshot import --name second < '\(home.scratch)/archive'; ls '\(other.path)/snapshots'"
                    )
                    #expect(piped.lines.count == 2 && piped.lines.first == piped.lines.last, "\(piped)")
                    let imported = try await other.sandpiper("snapshot", "import", "\(home.scratch)/archive")
                    #expect(imported.status == 0, "\(imported.error)")
                    #expect(try await other.sandpiper("snapshot", "verify", "first", "second").lines.count == 2)
                    let again = try await other.sandpiper("snapshot", "import", "\(home.scratch)/archive")
                    #expect(again.status == 125 && again.error.contains("'first' is in use"), "\(again.error)")

                    for name in ["first", "second"] {
                        let restored = try await other.sandpiper("restore", "--name", name, name)
                        #expect(restored.status == 0, "\(restored.error)")
                        #expect(try await other.exec(name, Self.sums).output == sums)
                        let ticks = try await other.sandpiper("logs", name).lines
                        #expect(ticks == (0..<ticks.count).map { "tick \($0 + 1)" } && ticks.count > 1)
                    }
                    // What came in goes out again as the same bytes, but for its id.
                    let back = try await other.host(
                        "sandpiper snapshot export first | sandpiper snapshot import --name third - && sandpiper snapshot verify third"
                    )
                    #expect(back.lines.last == "third sound", "\(back)")
                    try await other.remove(all: ["first", "second"])
                    #expect(try await other.sandpiper("snapshot", "rm", "first", "second", "third").status == 0)
                }
            }
        }
    }

    @Test("a snapshot of a disk goes to another home too")
    func diskOnly() async throws {
        try await TestHome.with { home in
            _ = try await home.create("source")
            #expect(try await home.exec("source", "echo kept > /file").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "--disk-only", "source", "disk").status == 0)
            #expect(try await home.sandpiper("rm", "-f", "source").status == 0)
            let moved = try await home.host(
                "sandpiper snapshot export disk > archive && sandpiper snapshot rm disk >/dev/null && sandpiper snapshot import archive"
            )
            #expect(moved.status == 0, "\(moved.error)")
            #expect(try await home.sandpiper("restore", "--name", "again", "disk").status == 0)
            #expect(try await home.exec("again", "cat /file").output == "kept\n")
            try await home.remove(all: ["again"])
        }
    }

    @Test("what cannot go on is refused with the reason, and leaves nothing")
    func refused() async throws {
        try await TestHome.with { home in
            try await Self.exported(home) { _ in
                try await TestHome.with([]) { empty in
                    try FileTree.makeDirectory(empty.path)
                    let noImage = try await empty.sandpiper("snapshot", "import", "\(home.scratch)/archive")
                    #expect(noImage.status == 125 && noImage.error.contains("sandpiper load"), "\(noImage.error)")
                    #expect(noImage.error.split(separator: "\n").count == 1, "\(noImage.error)")
                    #expect(try FileTree.names(in: "\(empty.path)/snapshots") == [])
                }
                #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
                for (field, reason) in [
                    ("accelerator", "an engine of the kind"), ("processor", "another kind of processor"),
                    ("engineChecksum", "another build of the engine"), ("layout", "layout"),
                    ("counterKilohertz", "kHz"), ("image", "is not here"), ("mounts", "files of its host"),
                    ("memory", "bytes of memory"), ("trailing", "follows its end"), ("flip", "damaged"),
                ] {
                    let altered = try await home.host(
                        "python3 -c '\(Self.alter)' \(field) archive altered && sandpiper snapshot import altered")
                    #expect(altered.status == 125 && altered.error.contains(reason), "\(field): \(altered)")
                    #expect(altered.error.split(separator: "\n").count == 1, "\(altered.error)")
                }
                #expect(try FileTree.names(in: "\(home.path)/snapshots") == [])
            }
        }
    }

    /// Changes one thing of an archive and makes all digests right again.
    private static let alter = """
        import sys, json, hashlib, struct
        field, source, target = sys.argv[1:]
        data = open(source, "rb").read()
        length = struct.unpack("<I", data[12:16])[0]
        manifest = json.loads(data[16:16 + length])
        rest = data[16 + length + 32:-32]
        machine, sandbox = manifest["machine"], manifest["snapshot"]["sandbox"]
        if field in ("accelerator", "processor"): machine[field] = "other"
        elif field in ("engineChecksum", "layout"): machine[field] += 1
        elif field == "counterKilohertz": machine[field] *= 2
        elif field == "memory": machine[field] += 4096
        elif field == "image": sandbox["imageDigest"] = "sha256:" + "0" * 64
        elif field == "mounts": sandbox["mounts"] = [{"type": "bind", "source": "/etc", "target": "/x", "readOnly": False}]
        text = json.dumps(manifest).encode()
        data = data[:12] + struct.pack("<I", len(text)) + text + hashlib.sha256(text).digest() + rest
        data += hashlib.sha256(data).digest()
        if field == "trailing": data += b"x"
        if field == "flip": data = data[:-100000] + bytes([data[-100000] ^ 1]) + data[-99999:]
        open(target, "wb").write(data)
        """

    @Test("verify finds a changed byte in memory, disk, state and record")
    func verify() async throws {
        try await TestHome.with { home in
            _ = try await home.create("parent")
            #expect(try await home.exec("parent", "echo x > /file; sync").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "parent", "first").status == 0)
            let sound = try await home.sandpiper("snapshot", "verify", "first")
            #expect(sound.output == "first sound\n" && sound.status == 0, "\(sound.error)")
            let id = try await home.sandpiper("snapshot", "ls", "-q").lines[0]
            let path = "\(home.path)/snapshots/\(id)"
            for name in try FileTree.names(in: path + "/machine") where !name.hasPrefix("engine.") {
                try await Self.expectFound(home, path, "machine/\(name)")
            }
            for name in ["upper.img", "snapshot.json"] { try await Self.expectFound(home, path, name) }
            #expect(try await home.sandpiper("snapshot", "verify", "first").status == 0)
            try await home.remove(all: ["parent"])
            #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
        }
    }

    /// Changes a byte in the middle of a file's content, which is another file then, and puts the file back.
    private static func expectFound(_ home: TestHome, _ path: String, _ name: String) async throws {
        let changed = try await home.host(
            """
            mv '\(path)/\(name)' kept && cp --sparse=always kept '\(path)/\(name)' && chmod u+w '\(path)/\(name)'
            python3 - '\(path)/\(name)' <<'END'
            import os, sys
            file = os.open(sys.argv[1], os.O_RDWR)
            place = os.lseek(file, 0, os.SEEK_DATA)
            byte = os.pread(file, 1, place + 1)[0]
            os.pwrite(file, bytes([byte ^ 4]), place + 1)
            END
            """)
        #expect(changed.status == 0, "\(changed.error)")
        let found = try await home.sandpiper("snapshot", "verify", "first")
        // Of a record that is none there is no snapshot.
        #expect(
            found.status == 1 && found.error.contains(name) || name == "snapshot.json" && found.status != 0, "\(found)")
        #expect(found.error.split(separator: "\n").count == 1, "\(found.error)")
        #expect(try await home.host("mv -f kept '\(path)/\(name)'").status == 0)
    }

    @Test("an import killed at 20 moments leaves nothing, and the next one works")
    func killed() async throws {
        try await TestHome.with { home in
            try await Self.exported(home) { _ in
                #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
                let outcome = try await home.host(
                    """
                    length=$(stat -c %s archive)
                    for moment in $(seq 0 19); do
                      mkfifo pipe; sandpiper snapshot import - <pipe & exec 3>pipe; rm pipe
                      head -c $((length * moment / 20)) archive >&3; kill -KILL $!; wait $! 2>/dev/null; exec 3>&-
                      sandpiper snapshot ls -q; ls -A "$SANDPIPER_HOME/snapshots"
                    done
                    sandpiper snapshot import archive >/dev/null && sandpiper snapshot verify first
                    """)
                #expect(outcome.output == "first sound\n", "\(outcome)")
                #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
            }
        }
    }

    @Test("without room on the disk an import says so before it writes", .needsRoot("a small file system is mounted"))
    func fullDisk() async throws {
        try await TestHome.with { home in
            try await Self.exported(home) { _ in
                let outcome = try await home.host(
                    """
                    cat > script <<'END'
                    mkdir -p "$SANDPIPER_HOME/snapshots"; mount -t tmpfs -o size=4m tmpfs "$SANDPIPER_HOME/snapshots" || exit 99
                    sandpiper snapshot import --name other archive; echo $?; ls -A "$SANDPIPER_HOME/snapshots"
                    END
                    unshare --mount bash script
                    """)
                #expect(outcome.output == "125\n" && outcome.error.contains("MiB left"), "\(outcome)")
                #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
            }
        }
    }
}
