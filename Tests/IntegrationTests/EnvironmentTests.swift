import LinuxSystem
import Testing

/// The environment, the directory and the arguments a command gets from its image and from options.
@Suite(.needsMachines) struct EnvironmentTests {
    @Test("-e and --env-file add to the image's environment, and -e has the last word")
    func variables() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                """
                printf '# a comment\\n\\nFROM_FILE=one two\\nBOTH=file\\nPASSED\\nABSENT\\n' >list
                PASSED=through sandpiper run --env-file list -e BOTH=option -e EMPTY= -e EQUALS=a=b busybox -- env
                """)
            let variables = Set(outcome.lines)
            for expected in [
                "FROM_FILE=one two", "BOTH=option", "PASSED=through", "EMPTY=", "EQUALS=a=b", "PATH=/bin", "HOME=/root",
            ] {
                #expect(variables.contains(expected), "\(outcome.output)\(outcome.error)")
            }
            #expect(
                !variables.contains { $0.hasPrefix("ABSENT") || $0.hasPrefix("TERM=") || $0.hasPrefix("SANDPIPER") })
        }
    }

    @Test("an image without a PATH gets the usual one")
    func defaultPath() async throws {
        try await TestHome.with([]) { home in
            // busybox with the configuration of its image emptied.
            let outcome = try await home.host(
                """
                mkdir layout && tar -xf '\(Built.image("busybox.oci.tar"))' -C layout
                umoci config --image layout:latest --clear config.env --config.cmd /bin/env &&
                tar -cf bare.tar -C layout . && sandpiper load --name bare bare.tar && sandpiper run bare
                """)
            #expect(
                outcome.lines.contains("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                "\(outcome.error)")
        }
    }

    @Test("the image's entrypoint, command, environment, user and directory apply")
    func imageConfiguration() async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let plain = try await home.sandpiper("run", "localhost/layers")
            #expect(plain.output == "hello layers\n", "\(plain.error)")
            let overridden = try await home.sandpiper(
                "run", "-e", "GREETING=hi", "localhost/layers", "echo $GREETING; pwd; id -un; id -gn; echo $HOME")
            #expect(
                overridden.lines == ["hi", "/home/worker", "worker", "readers", "/home/worker"], "\(overridden.error)")
        }
    }

    @Test("--entrypoint replaces the image's entrypoint and drops its command")
    func entrypoint() async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let outcome = try await home.sandpiper("run", "--entrypoint", "/bin/echo", "localhost/layers", "instead")
            #expect(outcome.output == "instead\n", "\(outcome.error)")
        }
    }

    @Test("-w sets the directory, and makes it when it is missing")
    func directory() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("pwd; stat -c '%u %a' .", options: ["-w", "/made/when/missing"])
            #expect(outcome.lines == ["/made/when/missing", "0 755"], "\(outcome.error)")
        }
    }

    @Test("a directory that is a file is refused in one line")
    func directoryIsFile() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("pwd", options: ["-w", "/etc/passwd"])
            #expect([125, 126, 127].contains(outcome.status))
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.error.contains("/etc/passwd"))
        }
    }
}
