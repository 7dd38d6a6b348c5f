import FileProtocol
import Glibc
import Testing

@testable import FileServer

@Suite("Archives to and from the sandbox")
struct ArchiveTests {
    private let served: ServedTree
    private static let tree = """
        mkdir -p root/t/empty root/t/d/e; echo content >root/t/file; ln root/t/file root/t/d/hard
        ln -s ../file root/t/d/soft; mkfifo root/t/fifo; chmod 2750 root/t/d; printf %s x >root/t/d/e/$(printf 'n%.0s' $(seq 120))
        touch -d @1234567890.123456789 root/t/file; setfattr -n user.note -v 'a value' root/t/file
        truncate -s 1M root/t/sparse; printf end >>root/t/sparse; echo ü >'root/t/ümläut'; touch -d @77 root/t/empty
        """
    /// What a tree is, as text: kinds, modes, sizes, times, links, contents and attributes.
    private static func listing(_ path: String) -> String {
        """
        cd \(path) && find . -mindepth 1 -printf '%p %y %m %T@ %n %l' -type f -printf ' %s' -printf '\\n' | sed 's/\\(T\\?[0-9]\\)0$/\\1/' | sort
        find . -type f | sort | xargs -d '\\n' md5sum; getfattr -R -d -m user . | sort
        """
    }

    init() throws { served = try ServedTree() }

    private func same(_ one: String, _ other: String) throws {
        try served.shell("(\(Self.listing(one))) >one; (\(Self.listing(other))) >other; diff one other")
    }

    private func save(_ bytes: [UInt8], _ name: String) throws {
        let file = Glibc.open("\(served.outside)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            done += bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + done }, $0.count - done) }
        }
    }

    private func load(_ path: String) throws -> [UInt8] {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    @Test("GNU tar and bsdtar unpack what comes out as it was", arguments: ["tar --xattrs -xpf", "bsdtar -xpf"])
    func out(_ tar: String) throws {
        try served.shell(Self.tree)
        let archive = try served.bytes(
            of: .openArchive(at("/t"), name: Array(".".utf8), followsLinks: false), piece: 1000)
        #expect(archive.count % 10_240 == 0)
        try save(archive, "a.tar")
        try served.shell("mkdir outside/x && cd outside/x && \(tar) ../a.tar")
        try same("root/t", "outside/x")
    }

    @Test(
        "what GNU tar and bsdtar pack is unpacked as it was",
        arguments: [
            "tar --format=pax --xattrs", "tar --format=gnu", "tar --format=posix --sparse --xattrs",
            "tar --format=gnu --sparse",
            "bsdtar --format=pax", "bsdtar --format=gnutar",
        ])
    func into(_ tar: String) throws {
        try served.shell(Self.tree)
        // Not every format has parts of seconds or attributes.
        let isPax = tar.contains("pax") || tar.contains("posix")
        if !isPax { try served.shell("find root/t -exec touch -h -d @1000 {} +; setfattr -x user.note root/t/file") }
        try served.shell("cd root/t && \(tar) -cf ../../outside/a.tar .; mkdir ../u")
        try served.write(
            try load("\(served.outside)/a.tar"),
            to: .extractArchive(at("/u"), ExtractOptions(keepsOwners: geteuid() == 0, changesRoot: true)), piece: 777)
        try same("root/t", "root/u")
    }

    @Test("what comes out goes in again, a file alone as well as a tree, and links are followed when asked")
    func roundTrip() throws {
        try served.shell(Self.tree + "; mkdir root/u; ln -s t/file root/link")
        for (path, name, follows) in [
            ("/t", "tree", false), ("/t/file", "one", false), ("/link", "two", true), ("/link", "three", false),
        ] {
            let archive = try served.bytes(of: .openArchive(at(path), name: Array(name.utf8), followsLinks: follows))
            try served.write(archive, to: .extractArchive(at("/u"), ExtractOptions(keepsOwners: geteuid() == 0)))
        }
        try same("root/t", "root/u/tree")
        #expect(served.text("u/one") == "content\n" && served.text("u/two") == "content\n")
        #expect(try served.status("u/three").st_mode & S_IFMT == S_IFLNK)
    }

    @Test(
        "archives that would lead out of the directory are refused and touch nothing outside",
        arguments: ["../up", "/absolute", "d/../../up", "link/file", "link/sub/", "hard"])
    func hostile(_ kind: String) throws {
        try served.shell("mkdir root/u; echo secret >outside/secret")
        let python = """
            import tarfile, io
            with tarfile.open("outside/a.tar", "w") as tar:
                link = tarfile.TarInfo("link"); link.type = tarfile.SYMTYPE; link.linkname = "\(served.outside)"; tar.addfile(link)
                entry = tarfile.TarInfo("\(kind)")
                if "\(kind)" == "hard": entry.type = tarfile.LNKTYPE; entry.linkname = "../../outside/secret"
                elif "\(kind)".endswith("/"): entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            """
        try served.shell("python3 - <<'END'\n\(python)\nEND")
        let handle = try served.open(.extractArchive(at("/u"), ExtractOptions(keepsOwners: false)))
        #expect(try served.code(.write(handle, try load("\(served.outside)/a.tar"))) != 0)
        try served.shell("[ \"$(ls outside | tr '\\n' ' ')\" = 'a.tar secret ' ] && [ \"$(ls root)\" = u ]")
    }

    @Test("a directory that is there keeps what it is; a link in its place is not followed")
    func existing() throws {
        try served.shell(
            "mkdir -p root/u/etc outside/target t/etc t/lib; chmod 711 root/u/etc; chmod 700 t/etc; echo x >t/etc/new; echo y >t/lib/so"
        )
        try served.shell(
            "tar -C t -cf outside/a.tar etc; tar -C t -cf outside/b.tar lib; ln -s \(served.outside)/target root/u/lib")
        let options = ExtractOptions(keepsOwners: false)
        try served.write(try load("\(served.outside)/a.tar"), to: .extractArchive(at("/u"), options))
        #expect(served.text("u/etc/new") == "x\n")
        #expect(try served.status("u/etc").st_mode & 0o7777 == 0o711)
        #expect(throws: FileFailure.self) {
            try served.write(try load("\(served.outside)/b.tar"), to: .extractArchive(at("/u"), options))
        }
        try served.shell("[ -z \"$(ls outside/target)\" ]")
    }

    @Test("an archive that is cut short or is none is refused")
    func broken() throws {
        try served.shell("mkdir root/u; head -c 100000 /dev/zero >f; tar -cf outside/a.tar f")
        let archive = try load("\(served.outside)/a.tar")
        #expect(throws: FileFailure.self) {
            try served.write(Array(archive.prefix(50_000)), to: .extractArchive(at("/u"), ExtractOptions()))
        }
        #expect(throws: FileFailure.self) {
            try served.write([UInt8](repeating: 65, count: 5000), to: .extractArchive(at("/u"), ExtractOptions()))
        }
    }
}
