import Glibc
import LinuxSystem
import Testing

/// What others write, we run; what we write, others take: buildah, skopeo, umoci and docker.
@Suite(.needsMachines) struct InterchangeTests {
    /// What every reader of an image of ours is asked for: the contents of a few files of the image `layers`.
    private static let facts = "cat data/becomes-directory/* data/link-1 srv/relative 2>/dev/null | sha256sum"

    @Test(
        "what buildah commits and pushes is pulled and runs",
        .needsRoot("buildah mounts nothing for others without more setting up"))
    func buildah() async throws {
        try await TestHome.with([]) { home in
            try await TestServer.registry(.user("ann", password: "secret")) { registry in
                let name = "\(registry.address)/built:1"
                let built = try await home.host(
                    """
                    unset DOCKER_CONFIG; export HOME=$PWD
                    build() { buildah --root "$PWD/storage" --runroot "$PWD/run" --storage-driver vfs "$@"; }
                    container=$(build from 'docker-archive:\(Built.image("busybox.tar"))') || exit
                    echo from buildah >note; build copy -q "$container" note /note && build config --cmd 'cat /note' "$container"
                    build commit -q "$container" built && build push -q --tls-verify=false --creds ann:secret built docker://\(name)
                    status=$?; build rm --all >/dev/null; exit $status
                    """)
                try #require(built.status == 0, "\(built.error)")
                let login = try await home.sandpiper(
                    "login", "-u", "ann", "--password-stdin", registry.address, input: "secret")
                #expect(login.status == 0, "\(login.error)")
                let run = try await home.sandpiper("run", name)
                #expect(run.output == "from buildah\n", "\(run.error)")
            }
        }
    }

    @Test("what we push, skopeo copies and umoci unpacks, with the contents that it had")
    func push() async throws {
        try await TestHome.withoutMachine { home in
            try await TestServer.registry { registry in
                let name = "\(registry.address)/layers:1"
                let outcome = try await home.host(
                    """
                    sandpiper load --name \(name) '\(Built.image("layers.tar"))'
                    sandpiper push -q \(name)
                    skopeo inspect --tls-verify=false --format '{{.Name}}@{{.Digest}}' docker://\(name)
                    skopeo copy -q --src-tls-verify=false docker://\(name) oci:pushed:1
                    umoci unpack --rootless --image pushed:1 pushed.bundle >/dev/null && (cd pushed.bundle/rootfs; \(Self.facts))
                    mkdir original && tar -xf '\(Built.image("layers.oci.tar"))' -C original
                    tag=$(umoci ls --layout original); umoci unpack --rootless --image "original:$tag" unpacked >/dev/null
                    (cd unpacked/rootfs; \(Self.facts))
                    """)
                let lines = outcome.lines
                try #require(lines.count == 5, "\(outcome.output)\(outcome.error)")
                #expect(lines[1] == lines[2])
                #expect(lines[3] == lines[4])
            }
        }
    }

    /// How we save, and how skopeo names what we wrote.
    static let forms = [
        ("docker-archive", "docker-archive:saved"), ("oci-archive", "oci-archive:saved"), ("oci-dir", "oci:saved"),
    ]

    @Test("what we save, skopeo and umoci read, and we load again as the same image", arguments: forms)
    func save(format: String, name: String) async throws {
        try await TestHome.withoutMachine { home in
            let outcome = try await home.host(
                """
                sandpiper load '\(Built.image("layers.tar"))' >/dev/null; sandpiper images -q
                sandpiper save --format \(format) -o saved localhost/layers || exit
                skopeo copy -q \(name) oci:copy:1 && umoci unpack --rootless --image copy:1 bundle >/dev/null
                (cd bundle/rootfs; \(Self.facts))
                sandpiper rmi localhost/layers >/dev/null; sandpiper load saved; sandpiper images -q
                """)
            let lines = outcome.lines
            try #require(lines.count == 4, "\(outcome.output)\(outcome.error)")
            #expect(lines[2] == "localhost/layers:latest")
            // In Docker's form the layers are not compressed, so that the manifest is another.
            #expect(format == "docker-archive" || lines[0] == lines[3])
        }
    }

    @Test("several images are saved to one archive by way of a pipe, and the layers they share once")
    func saveSeveral() async throws {
        try await TestHome.withoutMachine { home in
            let outcome = try await home.host(
                """
                sandpiper load '\(Built.image("busybox.tar"))' >/dev/null; sandpiper tag busybox second:2
                sandpiper load '\(Built.image("layers.tar"))' >/dev/null
                sandpiper save busybox second:2 localhost/layers | tee all.tar | tar -t | grep -c 'layer.tar\\|\\.tar$\\|blobs/.*'
                sandpiper rmi busybox second:2 localhost/layers >/dev/null; sandpiper load all.tar
                """)
            #expect(outcome.status == 0, "\(outcome.error)")
            let names = try await home.host("sandpiper images --format json | jq -r '.[].references[]' | sort")
            #expect(names.lines == ["busybox:latest", "localhost/layers:latest", "second:2"], "\(outcome.output)")
        }
    }

    @Test(
        "docker loads what we save, and runs it; what it saves, we load", .needsRoot("dockerd does"),
        .enabled(if: access("/usr/sbin/dockerd", X_OK) == 0, "docker.io is not installed"))
    func docker() async throws {
        try await TestHome.withoutMachine { home in
            try await TestServer.docker { engine in
                let outcome = try await home.host(
                    """
                    sandpiper load '\(Built.image("busybox.tar"))' >/dev/null
                    sandpiper save busybox | docker -H \(engine.address) load -q
                    docker -H \(engine.address) run --rm --network none busybox:latest echo in docker
                    docker -H \(engine.address) tag busybox:latest back:1
                    docker -H \(engine.address) save back:1 | sandpiper load -
                    """)
                #expect(outcome.output.hasSuffix("in docker\nback:1\n"), "\(outcome.output)\(outcome.error)")
            }
        }
    }
}
