import Glibc
import Testing

@testable import DiskImage

/// What umoci unpacks and what the kernel shows of our disk must be the same: type, mode, ids, size, digest, time,
/// target, extended attributes, hard-link groups, device numbers.
@Suite("Compared with umoci", .enabled(if: Workspace.isRoot, "only root can mount and unpack"))
struct UmociComparisonTests {
    /// Makes layers by shell, then the image with both, and compares.
    private func compare(_ layers: [String], _ script: String) throws {
        let space = try Workspace()
        try space.shell(script)
        let expected = try TreeListing(of: try space.unpackWithUmoci(layers.map { $0 + ".tar" }))
        var indexes: [(String, LayerIndex)] = []
        for (number, layer) in layers.enumerated() {
            // Pieces of odd sizes, so that every kind of boundary occurs.
            indexes.append((layer, try space.layer(file: layer + ".tar", layer, step: 1 << 20 - number * 333 - 1)))
        }
        let image = try space.image(indexes)
        try space.run("fsck.erofs", image)
        let actual = try TreeListing(of: try space.mount(image))
        #expect(!actual.lines.isEmpty)
        #expect(expected.differences(from: actual) == [])
    }

    @Test("every kind of file is the same", arguments: ["gnu", "pax", "posix"])
    func kinds(format: String) throws {
        let attributes = format == "gnu" ? "" : "--xattrs --xattrs-include='*' --acls"
        try compare(
            ["base"],
            """
            mkdir -p base/dir/sub base/empty base/many
            echo hello > base/dir/file; ln base/dir/file base/dir/hard; ln base/dir/file base/other
            ln -s file base/dir/link; ln -s "$(printf 'x%.0s' $(seq 4000))" base/long-link
            ln base/dir/link -P base/hard-to-link
            mkfifo base/fifo; mknod base/char c 1 3; mknod base/block b 259 1048575; ln base/char base/char2
            head -c 4096 /dev/urandom > base/one-block; head -c 4097 /dev/urandom > base/two-blocks
            head -c 3000000 /dev/urandom > base/large; : > base/nothing
            cp /bin/true base/setuid; chmod 4755 base/setuid; chmod 2710 base/dir; chmod 1777 base/empty
            chown 1000:1001 base/dir/file; chown 4294967294:4000000000 base/large; chmod 0 base/nothing
            name=$(printf 'n%.0s' $(seq 255)); : > "base/many/$name"
            touch -d '2001-02-03 04:05:06.123456789' base/dir/file; touch -h -d '1969-12-31 23:59:58.25' base/dir/link
            touch -d '2200-01-01' base/fifo
            deep=base; for i in $(seq 15); do deep=$deep/$(printf "d%.0s" $(seq 254)); mkdir $deep; done
            setfattr -n user.one -v two base/dir/file; setfattr -n user.binary -v 0x000aff0d3d base/dir
            setfattr -n trusted.thing -v yes base/dir/sub; setcap cap_net_raw+ep base/setuid
            for i in $(seq 300); do : > base/many/file-$i; done
            for i in $(seq 40); do setfattr -n user.shared -v same base/many/file-$i; done
            tar -C base --format=\(format) \(attributes) -cf base.tar .
            """)
    }

    @Test("layers change one another in the same way")
    func layers() throws {
        try compare(
            ["one", "two", "three"],
            """
            mkdir -p one/{keep,gone,opaque/old,to-file/sub,real/inner,usr/lib,ids}
            for f in keep/a keep/b gone/x opaque/old/y opaque/z to-file/sub/w to-dir real/r usr/lib/l linked; do
                echo "one $f" > one/$f; done
            ln -s usr/lib one/lib; ln -s /real one/abs; ln -s ../../../real/inner one/usr/up; ln -s keep one/to-real-dir
            chown -R 7:8 one/ids; chmod 700 one/ids; setfattr -n user.old -v 1 one/ids
            tar -C one --xattrs --format=pax -cf one.tar .
            mkdir -p two/{keep,opaque/new,to-dir,to-real-dir,ids}
            : > two/keep/.wh.a; : > two/.wh.gone; : > two/opaque/.wh..wh..opq; echo new > two/opaque/new/n
            : > two/keep/.wh.never-there;
            echo file > two/to-file; echo inside > two/to-dir/i; echo t > two/to-real-dir/t
            setfattr -n user.new -v 2 two/ids
            tar -C two --xattrs --format=pax -cf two.tar .
            # Entries whose parents are links of the layer below, or are missing.
            mkdir -p three/{lib,abs,usr/up}; echo l2 > three/lib/l2; echo a > three/abs/a; echo u > three/usr/up/u
            echo changed > three/keep; echo b > three/b
            tar -C three --format=gnu -cf three.tar lib/l2 abs/a usr/up/u keep
            tar -C three --format=gnu -rf three.tar --transform 's,^b$,./to-dir/../b,' b
            python3 - <<'PY'
            import tarfile
            with tarfile.open("three.tar", "a") as t:
                i = tarfile.TarInfo("hard"); i.type = tarfile.LNKTYPE; i.linkname = "linked"; t.addfile(i)
                i = tarfile.TarInfo("hard2"); i.type = tarfile.LNKTYPE; i.linkname = "lib/l"; t.addfile(i)
            PY
            """)
    }
}
