import FileProtocol
import Glibc
import GuestFiles
import LinuxSystem
import Testing
import TreeArchive

@Suite("Copying between host and sandbox", .timeLimit(.minutes(10)))
struct CopyTests {
    private static let tree = """
        mkdir -p host/t/d/e; echo content >host/t/file; chmod 640 host/t/file; ln host/t/file host/t/d/hard
        ln -s ../file host/t/d/soft; ln -s /etc/passwd host/t/outward; chmod 711 host/t/d; printf x >host/t/d/e/x
        touch -d @1234567890.123456789 host/t/file host/t/d/e; truncate -s 3M host/t/holes
        """

    private func same(_ served: ServedFiles, _ one: String, _ other: String) throws {
        func listing(_ path: String) -> String {
            "(cd \(path) && find . -mindepth 1 -printf '%p %y %m %T@ %n %l\\n' | sort; find . -type f | sort | xargs md5sum)"
        }
        #expect(try served.shell(listing(one)) == served.shell(listing(other)))
    }

    @Test("a tree goes in and comes out as it was, to a new name and into a directory")
    func trees() async throws {
        let served = try ServedFiles()
        try served.shell("mkdir host out root/there; " + Self.tree)
        try await served.session.copy(fromHost: "\(served.base)/host/t", to: "/new")
        try await served.session.copy(fromHost: "\(served.base)/host/t/", to: "/there")
        try await served.session.copy(fromHost: "\(served.base)/host/t/.", to: "/there/")
        for name in ["new", "there/t"] { try same(served, "host/t", "root/\(name)") }
        #expect(try served.text("root/there/file") == "content\n")
        try await served.session.copy(toHost: "\(served.base)/out/new", from: "/new")
        try await served.session.copy(toHost: "\(served.base)/out", from: "/new/d")
        try await served.session.copy(toHost: "\(served.base)/out/content", from: "/new/.")
        try same(served, "host/t", "out/new")
        try same(served, "host/t", "out/content")
        #expect(try served.text("out/d/e/x") == "x")
        await served.session.close()
    }

    @Test("a file goes to a name, over a file, or into a directory, and nowhere else")
    func files() async throws {
        let served = try ServedFiles()
        try served.shell("mkdir host out root/dir; echo 1 >host/f; echo 2 >root/g; ln -s f host/link")
        let session = served.session
        try await session.copy(fromHost: "\(served.base)/host/f", to: "/name")
        try await session.copy(fromHost: "\(served.base)/host/f", to: "/dir")
        try await session.copy(fromHost: "\(served.base)/host/f", to: "/g")
        try await session.copy(fromHost: "\(served.base)/host/link", to: "/followed", followsLinks: true)
        for name in ["name", "dir/f", "g", "followed"] { #expect(try served.text("root/\(name)") == "1\n") }
        for target in ["/missing/", "/missing/name", "/g/"] {
            await #expect(throws: GuestFilesError.self) {
                try await session.copy(fromHost: "\(served.base)/host/f", to: target)
            }
        }
        await #expect(throws: GuestFilesError.self) {
            try await session.copy(fromHost: "\(served.base)/host", to: "/g")
        }
        await #expect(throws: GuestFilesError.self) {
            try await session.copy(fromHost: "\(served.base)/host/f/", to: "/x")
        }
        await #expect(throws: GuestFilesError.self) {
            try await session.copy(fromHost: "\(served.base)/none", to: "/x")
        }
        try await session.copy(toHost: "\(served.base)/out/name", from: "/name")
        try await session.copy(toHost: "\(served.base)/out", from: "/dir/f")
        #expect(try served.shell("cat out/name out/f") == "1\n1\n")
        await session.close()
    }

    @Test("set-user-id bits and devices of a sandbox do not reach the host unless asked")
    func privileges() async throws {
        let served = try ServedFiles()
        try served.shell("mkdir root/t out; touch root/t/suid; chmod 6755 root/t/suid; mkfifo root/t/fifo")
        if geteuid() == 0 { try served.shell("mknod root/t/null c 1 3") }
        let notices = try await served.session.copy(toHost: "\(served.base)/out", from: "/t")
        #expect(notices.count == (geteuid() == 0 ? 2 : 1))
        #expect(try served.shell("ls -A out/t; stat -c %a out/t/suid") == "suid\n755\n")
        try served.shell("rm -r out/t")
        let all = HostArchive.Options(keepsSpecialBits: true, makesDevices: true)
        #expect(try await served.session.copy(toHost: "\(served.base)/out", from: "/t", all).isEmpty)
        #expect(try served.shell("stat -c %a out/t/suid; test -p out/t/fifo && echo fifo") == "6755\nfifo\n")
        await served.session.close()
    }

    @Test(
        "what a hostile sandbox sends stays in the directory it was sent to",
        arguments: [
            "up", "absolute", "through-link", "hard-link", "link-then-file", "dot-dot-inside", "long-name", "deep",
            "file-as-directory",
        ])
    func hostile(_ kind: String) throws {
        let served = try ServedFiles()
        try served.shell(
            """
            mkdir target outside; echo secret >outside/secret
            python3 - <<'END'
            import tarfile, io
            out = "\(served.base)/outside"
            with tarfile.open("a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
                def add(name, type=tarfile.REGTYPE, link="", data=b"bad"):
                    entry = tarfile.TarInfo(name); entry.type = type; entry.linkname = link
                    entry.size = len(data) if type == tarfile.REGTYPE else 0
                    tar.addfile(entry, io.BytesIO(data))
                kind = "\(kind)"
                if kind == "up": add("../outside/secret")
                if kind == "absolute": add(out + "/secret")
                if kind == "through-link": add("l", tarfile.SYMTYPE, out); add("l/secret")
                if kind == "hard-link": add("h", tarfile.LNKTYPE, "../outside/secret"); add("h")
                if kind == "link-then-file":
                    add("l", tarfile.SYMTYPE, out); add("l", tarfile.DIRTYPE); add("l/secret")
                if kind == "dot-dot-inside": add("d", tarfile.DIRTYPE); add("d/../../outside/secret")
                if kind == "long-name": add("n" * 256)
                if kind == "deep": add("d/" * 3000 + "f")
                if kind == "file-as-directory": add("f"); add("f/g")
            END
            """)
        let extractor = try HostArchive.unpack(into: Array("\(served.base)/target".utf8))
        let bytes = try FileTree.read("\(served.base)/a.tar")
        #expect(throws: FileCallError.self) {
            for start in stride(from: 0, to: bytes.count, by: 700) {
                try extractor.write(bytes[start..<min(start + 700, bytes.count)])
            }
            try extractor.finish()
        }
        #expect(
            try served.shell("cat outside/secret; ls outside; ls | tr '\\n' ' '")
                == "secret\nsecret\na.tar outside root target ")
    }

    @Test("a link that takes the place of a file is a link, and a file that takes a link's place does not follow it")
    func replacedLink() throws {
        let served = try ServedFiles()
        try served.shell(
            """
            mkdir target outside src; echo secret >outside/secret; ln -s ../outside/secret target/f
            echo new >src/f; tar -C src -cf a.tar f
            """)
        let extractor = try HostArchive.unpack(into: Array("\(served.base)/target".utf8))
        try extractor.write(try FileTree.read("\(served.base)/a.tar")[...])
        try extractor.finish()
        #expect(try served.shell("cat outside/secret target/f") == "secret\nnew\n")
    }

    @Test("an archive beyond the bounds that were set is refused")
    func bounds() throws {
        let served = try ServedFiles()
        try served.shell(
            "mkdir target src; touch src/1 src/2 src/3; head -c 5000 /dev/zero >src/4; tar -C src -cf a.tar .")
        let bytes = try FileTree.read("\(served.base)/a.tar")[...]
        for options in [HostArchive.Options(maximumEntries: 4), .init(maximumBytes: 4999)] {
            let extractor = try HostArchive.unpack(into: Array("\(served.base)/target".utf8), options)
            let error = #expect(throws: FileCallError.self) { try extractor.write(bytes) }
            #expect(error?.code == E2BIG)
        }
    }

    @Test("10,000 small files go in and come out")
    func manyFiles() async throws {
        let served = try ServedFiles()
        try served.shell(
            """
            mkdir -p host/t; cd host/t; for d in $(seq 100); do mkdir $d; done
            python3 -c 'for i in range(10000): open(f"{i % 100 + 1}/{i}", "w").write("x" * (i % 5000))'
            """)
        let clock = ContinuousClock()
        let into = try await clock.measure {
            try await served.session.copy(fromHost: "\(served.base)/host/t", to: "/t")
        }
        let out = try await clock.measure {
            try await served.session.copy(toHost: "\(served.base)/out", from: "/t")
        }
        print("10,000 files in \(into), out \(out)")
        #expect(try served.shell("diff -r host/t out && find out -type f | wc -l") == "10000\n")
        await served.session.close()
    }

    @Test("events of a watch come as a sequence")
    func watch() async throws {
        let served = try ServedFiles()
        let events = try await served.session.watch(.root, recursive: true)
        try served.shell("mkdir -p root/a/b; echo 1 >root/a/b/file")
        var told: [FileEvent] = []
        for try await event in events {
            told.append(event)
            if event == .created(Array("a/b/file".utf8)) { break }
        }
        #expect(told.contains(.created(Array("a".utf8))) && told.contains(.created(Array("a/b".utf8))))
        let waiting = Task { for try await _ in try await served.session.watch(.root) {} }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        await served.session.close()
    }
}
