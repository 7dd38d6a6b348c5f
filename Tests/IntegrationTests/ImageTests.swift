import LinuxSystem
import Testing

/// `load`, `images`, `inspect`, `rmi`, and running what was loaded.
@Suite(.needsMachines) struct ImageTests {
    /// Archives of one image, in every form, and what `load` prints for each.
    static let archives = [
        "busybox.tar", "busybox.tar.gz", "busybox.tar.zst", "busybox.oci.tar", "busybox.zstd-layers.oci.tar",
    ]

    @Test("archives of every form load from a file and from stdin, and run", arguments: archives)
    func forms(archive: String) async throws {
        try await TestHome.with([]) { home in
            let file = try await home.sandpiper("load", "--name", "from-file", Built.image(archive))
            #expect(file.output == "from-file:latest\n", "\(file.error)")
            let stream = try await home.host("sandpiper load --name from-stdin - <'\(Built.image(archive))'")
            #expect(stream.output == "from-stdin:latest\n", "\(stream.error)")
            let run = try await home.sandpiper("run", "from-stdin", "echo", "runs")
            #expect(run.output == "runs\n", "\(run.error)")
        }
    }

    @Test("load prints the reference that the archive gives")
    func reference() async throws {
        try await TestHome.with([]) { home in
            let busybox = try await home.sandpiper("load", Built.image("busybox.tar"))
            #expect(busybox.output == "busybox:latest\n")
            let layers = try await home.sandpiper("load", Built.image("layers.tar"))
            #expect(layers.output == "localhost/layers:latest\n")
        }
    }

    @Test("images are listed, inspected and removed, by name and by the beginning of a digest")
    func listing() async throws {
        try await TestHome.with([]) { home in
            let loaded = try await home.host(
                "sandpiper load --format json '\(Built.image("layers.tar"))' | jq -r '.[] | .reference, .digest'")
            try #require(loaded.lines.count == 2, "\(loaded.error)")
            #expect(loaded.lines[0] == "localhost/layers:latest")
            let digest = loaded.lines[1]
            #expect(digest.hasPrefix("sha256:"))
            let prefix = String(digest.dropFirst("sha256:".count).prefix(12))

            let listed = try await home.host("sandpiper images --format json | jq -r '.[] | .references[0], .digest'")
            #expect(listed.lines == loaded.lines)
            let inspected = try await home.host(
                "sandpiper inspect \(prefix) | jq -r '.[0] | .digest, .user, .workingDirectory, (.layers | length)'")
            #expect(inspected.lines == [digest, "worker:readers", "/home/worker", "3"])
            let run = try await home.sandpiper("run", prefix, "echo by digest")
            #expect(run.output == "by digest\n", "\(run.error)")
            let removed = try await home.sandpiper("rmi", prefix)
            #expect(removed.status == 0, "\(removed.error)")
            let empty = try await home.sandpiper("images", "--format", "json")
            #expect(empty.output == "[]\n" || empty.output == "[\n\n]\n")
            let left = try await home.host("find '\(home.path)/store' -type f -size +0 ! -name lock")
            #expect(left.output == "")
        }
    }

    @Test(
        "an archive that is cut short leaves the store as it was",
        arguments: ["busybox.tar", "busybox.tar.gz", "busybox.tar.zst", "busybox.oci.tar"])
    func truncated(archive: String) async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let before = try await home.listing()
            let outcome = try await home.host("head -c 700000 '\(Built.image(archive))' | sandpiper load -")
            #expect(outcome.status == 125)
            #expect(outcome.output == "")
            #expect(outcome.errorLines.count == 1, "\(outcome.error)")
            #expect(try await home.listing() == before)
        }
    }

    @Test("what is no archive is refused in one line", arguments: ["", "nonsense", "\u{1F}\u{8B}"])
    func noArchive(text: String) async throws {
        try await TestHome.with([]) { home in
            let outcome = try await home.sandpiper("load", "-", input: text)
            #expect(outcome.status == 125)
            #expect(outcome.errorLines.count == 1, "\(outcome.error)")
            #expect(try await home.listing() == [])
        }
    }

    @Test("several loads at once keep the shared layer once, and each has its name")
    func concurrent() async throws {
        try await TestHome.with([]) { home in
            let outcome = try await home.host(
                """
                for i in 1 2 3 4 5 6; do sandpiper load --name same-$i '\(Built.image("busybox.tar.zst"))' & done; wait
                sandpiper images --quiet | sort -u | wc -l
                find '\(home.path)/store/layers' -type f -size +100k | wc -l; ls '\(home.path)/store/tmp'
                """)
            #expect(outcome.error == "")
            #expect(Set(outcome.lines.prefix(6)) == Set((1...6).map { "same-\($0):latest" }))
            #expect(outcome.lines.dropFirst(6) == ["1", "1"])
        }
    }

    @Test("a load that is killed leaves nothing that the next one does not remove")
    func killedLoad() async throws {
        try await TestHome.with([]) { home in
            let outcome = try await home.host(
                """
                (head -c 20000000; sleep 1000) <'\(Built.image("python.tar"))' | sandpiper load - & sleep 1
                kill -KILL $!; pkill -P $$ -x sleep; kill $(jobs -p) 2>/dev/null; wait
                sandpiper load '\(Built.image("busybox.tar"))'; ls '\(home.path)/store/tmp'
                """)
            #expect(outcome.output == "busybox:latest\n", "\(outcome.error)")
            for process in home.processes(named: "sleep") { try await process.kill() }
            try await home.waitForProcesses()
        }
    }

    @Test("the layers of an image hide, replace and link as buildah meant")
    func layers() async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let outcome = try await home.sandpiper(
                "run", "-u", "root", "localhost/layers",
                """
                ls /data | grep -v nnnn; cat /data/becomes-directory /data/becomes-file; ls /data/emptied
                stat -c '%h %s' /data/link-1 /data/pair-2; cat /srv/absolute /srv/relative
                busybox readlink /srv/dangling; stat -c '%a %u %g %y' /srv/setgid; stat -c '%F' /srv/fifo; stat -c %a /shared
                """)
            #expect(
                outcome.lines == [
                    "becomes-directory", "becomes-file", "emptied", "link-1", "link-2", "link-4", "pair-2",
                    "file again",
                    "file", "new", "3 4", "1 5", "one", "one", "/nowhere",
                    "600 1000 2000 2001-02-03 04:05:06.000000000 +0000",
                    "fifo", "1777",
                ], "\(outcome.output)\(outcome.error)")
        }
    }

    @Test(
        "the tree a guest sees is what umoci unpacks",
        .needsRoot("only root may make the owners and devices of the image on the host"))
    func tree() async throws {
        try await TestHome.with(["dialects.tar"]) { home in
            let script = """
                cd "$1"; for top in bin dialect inserted odd repacked; do
                busybox find $top -print0 | busybox sort -z | busybox xargs -r -0 busybox stat -c '%n|%F|%a|%u|%g|%y|%t:%T'
                busybox find $top ! -type d -print0 | busybox sort -z | busybox xargs -r -0 busybox stat -c '%n|%h|%s'
                busybox find $top -type l -print0 | busybox sort -z | busybox xargs -r -0 -n 1 busybox readlink
                busybox find $top -type f -print0 | busybox sort -z | busybox xargs -r -0 busybox sha256sum; done
                """
            let outcome = try await home.host(
                """
                cat >list <<'END'\n\(script)\nEND
                mkdir layout && tar -xf '\(Built.image("dialects.oci.tar"))' -C layout && umoci unpack --image layout:dialects bundle >/dev/null || exit
                # umoci gives directories that no entry names the time of its run.
                implied='^(dialect|odd|odd/no)[|]directory'
                sh list bundle/rootfs | grep -Ev "$implied" >expected
                sandpiper run dialects -- sh -c "$(cat list)" sh / | grep -Ev "$implied" >seen; wc -l <seen
                diff expected seen
                """)
            #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
            #expect(outcome.lines.first.flatMap { Int($0) }.map { $0 > 200 } == true)
        }
    }
}
