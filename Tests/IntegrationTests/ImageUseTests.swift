import Glibc
import Testing

/// Names and removal of images beside the sandboxes that run from them; what `df`, `history` and `save` tell.
@Suite(.needsMachines) struct ImageUseTests {
    @Test("the image of a sandbox cannot be removed or pruned, whatever becomes of its names")
    func inUse() async throws {
        try await TestHome.with(["busybox.tar"]) { home in
            let outcome = try await home.sandpiper(
                "run", "--name", "user", "busybox", "sh", "-c", "echo ready; sleep 1000; cat /bin/busybox | wc -c"
            ) { running in
                try await running.expectLine("ready")
                let refused = try await home.sandpiper("rmi", "busybox")
                #expect(refused.status == 125)
                #expect(refused.error.contains("is in use by user"), "\(refused.error)")
                let pruned = try await home.sandpiper("prune", "--all", "--format", "json")
                #expect(pruned.output.contains("\"deleted\" : [\n\n  ]"), "\(pruned.output)")
                let used = try await home.host("sandpiper df --format json | jq -r '.images[0].sandboxes[0]'")
                #expect(used.output == "user\n")

                let untagged = try await home.sandpiper("rmi", "--force", "busybox")
                #expect(untagged.output == "Untagged: busybox:latest\n", "\(untagged.error)")
                let nameless = try await home.host("sandpiper images | grep -c '^<none>'; sandpiper prune | tail -1")
                #expect(nameless.output == "1\nFreed: 0B\n", "\(nameless.error)")
                running.signal(SIGTERM)
            }
            #expect(outcome.status == 128 + SIGTERM, "\(outcome.error)")
            let freed = try await home.sandpiper("prune")
            #expect(freed.output.hasPrefix("Deleted: sha256:"), "\(freed.output)")
            let left = try await home.host("find '\(home.path)/store' -type f ! -name lock")
            #expect(left.output == "")
        }
    }

    @Test("an image has as many names as it is given, and runs by each")
    func tags() async throws {
        try await TestHome.with(["busybox.tar"]) { home in
            for name in ["second", "registry.example:5000/team/third:v1"] {
                let tagged = try await home.sandpiper("tag", "busybox", name)
                #expect(tagged.status == 0, "\(tagged.error)")
            }
            #expect(try await home.host("sandpiper images -q | sort -u | wc -l").output == "1\n")
            #expect(try await home.sandpiper("rmi", "busybox", "second").status == 0)
            let run = try await home.sandpiper("run", "registry.example:5000/team/third:v1", "echo", "runs")
            #expect(run.output == "runs\n", "\(run.error)")
            let refused = try await home.sandpiper("tag", "absent", "other")
            #expect(refused.status == 125 && refused.error.contains("no image \"absent\""))
        }
    }

    @Test("what is saved and loaded elsewhere is the same image", arguments: ["docker-archive", "oci-archive"])
    func saves(format: String) async throws {
        try await TestHome.with([]) { home in
            let archive = format == "oci-archive" ? "layers.oci.tar" : "layers.tar"
            let script = """
                sandpiper load --name app:1 '\(Built.image(archive))' &&
                digest=$(sandpiper images -q) &&
                sandpiper save --format \(format) app:1 > '\(home.path)/saved.tar' &&
                sandpiper prune --all > /dev/null && test -z "$(sandpiper images -q)" &&
                sandpiper load '\(home.path)/saved.tar' && test "$(sandpiper images -q)" = "$digest"
                """
            let outcome = try await home.host(script)
            #expect(outcome.status == 0 && outcome.output == "app:1\napp:1\n", "\(outcome.error)")
        }
    }

    @Test("history tells the steps with their layers, df what could be freed")
    func tells() async throws {
        try await TestHome.with(["layers.tar", "busybox.tar"]) { home in
            let steps = try await home.host(
                "sandpiper history --format json localhost/layers | jq -r '[.[] | select(.layer)] | length'")
            #expect(steps.output == "3\n", "\(steps.error)")
            let freed = try await home.host(
                "sandpiper df --format json | jq .reclaimableBytes; sandpiper prune --all --format json | jq .bytes")
            try #require(freed.lines.count == 2, "\(freed.error)")
            let (said, done) = (try #require(Int64(freed.lines[0])), try #require(Int64(freed.lines[1])))
            #expect(said > 1 << 20 && done >= said && done < said + 1 << 20)
        }
    }
}
