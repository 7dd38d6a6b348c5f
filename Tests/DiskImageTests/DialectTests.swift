import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

/// Archives of other programs, in every format they write, hold what went into them.
@Suite("Archives made by other programs")
struct DialectTests {
    private let space: Workspace

    init() throws { space = try Workspace() }

    /// Shows `NAME.tar` and compares it with the tree `NAME` that it was made from.
    private func compare(_ name: String, ignoringTime: Bool = false) throws {
        let root = try space.show(try space.image([(name, try space.layer(file: name + ".tar", name, step: 8191))]))
        let differences = try TreeListing(of: "\(space.path)/\(name)").differences(from: TreeListing(of: root))
        // Without root, nobody gives hard links back, see LayerTests.
        #expect(differences.filter { Workspace.isRoot || !$0.contains("group=") } == [])
    }

    @Test("GNU tar, short names", arguments: ["v7", "oldgnu", "gnu", "ustar", "posix"])
    func gnuShort(format: String) throws {
        try space.shell(
            """
            mkdir -p t/dir/empty; echo hello > t/dir/file; ln t/dir/file t/hard; ln -s dir/file t/link
            head -c 100000 /dev/urandom > t/large; chmod 6711 t/large; mkfifo t/fifo
            find t -exec touch -h -d @1234567890 {} +
            tar -C t --format=\(format) -cf t.tar $([ \(format) = v7 ] && echo --exclude=./fifo) .
            if [ \(format) = v7 ]; then rm t/fifo; touch -d @1234567890 t; fi
            """)
        try compare("t")
    }

    @Test("GNU tar, names of 255 bytes, paths and targets of 4000", arguments: ["oldgnu", "gnu", "posix"])
    func gnuLong(format: String) throws {
        try space.shell(
            """
            mkdir t; cd t; n=$(printf 'n%.0s' $(seq 255))
            for i in $(seq 14); do mkdir $n; cd -P $n; done; echo deep > file; cd ../..; cd $OLDPWD
            cd ..; cd ..; cd \(space.path)
            ln -s "$(printf 't%.0s' $(seq 4000))" t/link; echo x > "t/${n%n}é" 2>/dev/null || echo x > "t/${n%nn}é"
            find t -exec touch -h -d @1234567890 {} +
            tar -C t --format=\(format) -cf t.tar .
            """)
        try compare("t")
    }

    @Test("ustar splits long paths in two")
    func ustarPrefix() throws {
        try space.shell(
            """
            d=t/$(printf 'a%.0s' $(seq 90))/$(printf 'b%.0s' $(seq 60)); mkdir -p $d
            echo x > $d/$(printf 'c%.0s' $(seq 80)); find t -exec touch -d @1234567890 {} +
            tar --format=ustar -C t -cf t.tar .
            """)
        try compare("t")
    }

    @Test(
        "sparse files",
        arguments: ["--format=gnu", "--format=oldgnu", "0.0", "0.1", "1.0", "bsdtar"])
    func sparse(version: String) throws {
        let tar =
            switch version {
            case "bsdtar": "bsdtar --format=pax"
            case let option where option.hasPrefix("--"): "tar -S \(option)"
            default: "tar -S --format=posix --sparse-version=\(version)"
            }
        guard version != "bsdtar" || FileTree.exists("/usr/bin/bsdtar") else { return }
        try space.shell(
            """
            mkdir t
            python3 - <<'PY'
            import os
            def make(name, size, pieces):
                with open("t/" + name, "wb") as f:
                    for offset, length in pieces:
                        f.seek(offset); f.write(os.urandom(length))
                    f.truncate(size)
            make("many", 100 << 20, [(n * 1000000 // 4096 * 4096, 4096 + n) for n in range(100)])
            make("end", 5 << 20, [((5 << 20) - 100, 100)])
            make("hole", 7 << 20, [])
            make("odd", (3 << 20) + 777, [(0, 5000), (1 << 20, 1)])
            make("dense", 1 << 20, [(0, 1 << 20)])
            PY
            find t -exec touch -d @1234567890 {} +
            \(tar) -C t -cf t.tar .
            """)
        let layer = try space.layer(file: "t.tar", "t", step: 8191)
        #expect(layer.entryCount == 6)
        let data = try Descriptor(opening: space.path + "/t.data").status()
        #expect(data.st_blocks * 512 < 6 << 20, "the holes take space")
        // fsck.erofs 1.5 cannot unpack sparse files.
        if Workspace.isRoot { try compare("t") }
    }

    @Test("Python's tarfile", arguments: ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
    func python(format: String) throws {
        try space.shell(
            """
            python3 - <<'PY'
            import io, tarfile
            with tarfile.open("t.tar", "w", format=tarfile.\(format)) as t:
                def add(name, type=tarfile.REGTYPE, content=b"", **fields):
                    i = tarfile.TarInfo(name); i.type = type; i.size = len(content); i.mtime = 5
                    for key, value in fields.items(): setattr(i, key, value)
                    t.addfile(i, io.BytesIO(content))
                add("d", tarfile.DIRTYPE, mode=0o1750)
                add("d/f", content=b"x" * 1000, mode=0o640)
                add("c", tarfile.CONTTYPE, content=b"contiguous")
                if "\(format)" != "USTAR_FORMAT":
                    add("ids", uid=4294967294, gid=3000000000)
                    add("d/" + "l" * 200, content=b"long")
                    add("past", mtime=-5)
                if "\(format)" == "PAX_FORMAT":
                    add("fraction", mtime=1.5)
                    add("früher", mtime=-1.25)
            PY
            """)
        let layer = try space.layer(file: "t.tar", "t", step: 100)
        let root = try space.show(try space.image([("t", layer)]))
        let lines = try TreeListing(of: root).lines
        #expect(lines["/d"]?.hasPrefix("41750 ") == true)
        #expect(try FileTree.read(root + "/d/f").count == 1000)
        #expect(try FileTree.read(root + "/c") == Array("contiguous".utf8))
        guard Workspace.isRoot, format != "USTAR_FORMAT" else { return }
        #expect(lines["/ids"]?.contains(" 4294967294:3000000000 ") == true)
        #expect(lines["/past"]?.contains(" -5.0 ") == true)
        #expect(lines["/d/" + String(repeating: "l", count: 200)] != nil)
        guard format == "PAX_FORMAT" else { return }
        #expect(lines["/fraction"]?.contains(" 1.500000000 ") == true)
        #expect(lines["/früher"]?.contains(" -2.750000000 ") == true)
    }

    @Test("extended attributes of GNU tar and bsdtar", .enabled(if: Workspace.isRoot, "trusted attributes need root"))
    func attributes() throws {
        for tar in ["tar --xattrs --xattrs-include=* --format=posix", "bsdtar --xattrs --format=pax"] {
            guard !tar.hasPrefix("bsdtar") || FileTree.exists("/usr/bin/bsdtar") else { continue }
            let name = String(tar.prefix(3))
            try space.shell(
                """
                mkdir \(name); echo x > \(name)/f; mkdir \(name)/d
                setfattr -n user.binary -v 0x00ff0a3d0d \(name)/f; setfattr -n user.key -v value \(name)/d
                setfattr -n trusted.t -v t \(name)/f; setcap cap_chown=ep \(name)/f
                setfattr -n user.large -v "$(head -c 3000 /dev/zero | tr '\\0' v)" \(name)/d
                touch -d @1234567890 \(name)/f \(name)/d \(name)
                \(tar) -C \(name) -cf \(name).tar .
                """)
            let root = try space.show(
                try space.image([(name, try space.layer(file: name + ".tar", name))], name), name + ".shown")
            let differences = try TreeListing(of: "\(space.path)/\(name)").differences(from: TreeListing(of: root))
            #expect(differences == [])
        }
    }

    @Test("access control lists work", .enabled(if: Workspace.isRoot, "only root can mount"))
    func accessControlLists() throws {
        let list: [UInt8] = [
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255,
            16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
        ]
        let archive = TarBytes.archive { tar in
            tar.addPax([("SCHILY.xattr.system.posix_acl_access", list)])
            tar.add("f", content: "x") { $0.mode = "0000640" }
            tar.addPax([("SCHILY.xattr.system.posix_acl_default", list)])
            tar.add("d/", type: "5")
        }
        let root = try space.show([archive])
        let hex = list.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(try TreeListing(of: root).lines["/f"]?.contains("system.posix_acl_access=0x\(hex)") == true)
        #expect(try TreeListing(of: root).lines["/d"]?.contains("system.posix_acl_default=0x\(hex)") == true)
        #expect(throws: DiskImageError.self) {
            try space.layer(
                TarBytes.archive { tar in
                    tar.addPax([("SCHILY.xattr.system.posix_acl_access", Array(list.dropLast()))])
                    tar.add("f")
                })
        }
    }
}
