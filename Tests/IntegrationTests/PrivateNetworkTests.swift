import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Private networks: sandboxes that reach each other, and nobody else that does.
@Suite(.needsMachines) struct PrivateNetworkTests {
    /// Answers on port 8000 of TCP (HTTP, with its own name) and 9000 of UDP (what it was sent, in capitals), both versions.
    fileprivate static let server = """
        import http.server, os, socket, threading
        class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = (os.environ["WHO"] + " " + self.client_address[0].removeprefix("::ffff:") + "\\n").encode()
                self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
                self.wfile.write(body)
            def log_message(self, *words): pass
        def echo():
            udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); udp.bind(("::", 9000))
            while True:
                data, client = udp.recvfrom(65535); udp.sendto(data.upper(), client)
        threading.Thread(target=echo, daemon=True).start()
        Server(("::", 8000), Handler).serve_forever()
        """

    /// Sends datagrams of some lengths to a name and says which came back in capitals.
    private static let udp = """
        import socket, sys
        for family in (socket.AF_INET, socket.AF_INET6):
            target = socket.getaddrinfo(sys.argv[1], 9000, family, socket.SOCK_DGRAM)[0][4]
            for size in (1, 1400, 60000, 65000):
                s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b"a" * size, target)
                print("yes" if s.recv(65535) == b"A" * size else "no")
        """

    @Test("members reach each other by name over TCP, UDP and ICMP of both versions, with packets of any size")
    func together() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await home.network("lan")
            try await home.member("one", ["--join", "lan"])
            let two = try await home.member("Two", ["--join", "lan", "--network", "none"])
            let short = String(two.id.description.prefix(12))
            for name in ["two", "two.lan", "two.lan.sandpiper.internal", short, "\(short).lan.sandpiper.internal"] {
                let found = try await home.exec("one", "curl -sS -4 \(name):8000; curl -sS -6 \(name):8000")
                #expect(found.lines.count == 2 && found.lines.allSatisfy { $0.hasPrefix("Two ") }, "\(name): \(found)")
            }
            // Who has no other network reaches the network too, and nothing else.
            let back = try await home.exec(
                "Two",
                "curl -sS one:8000; getent ahostsv4 one | head -1 | cut -d' ' -f1; curl -sS -m 20 192.0.2.1; echo $?")
            #expect(back.lines.first?.hasPrefix("one ") == true && back.lines.last == "7", "\(back)")
            let address = try #require(back.lines.dropFirst().first)
            #expect(try await home.exec("Two", "dig +short -x \(address)").output == "one.lan.sandpiper.internal.\n")
            #expect(try await home.exec("one", "curl -sS -4 two:8000").lines.first?.hasPrefix("Two ") == true)
            let pings = try await home.exec(
                "one",
                "set -e; ping -4 -c 1 two; ping -6 -c 1 two; ping -4 -c 1 -M do -s 65492 two; ping -6 -c 1 -M do -s 65472 two"
            )
            #expect(pings.status == 0, "\(pings)")
            let datagrams = try await home.exec("one", "python3 - two <<'END'\n\(Self.udp)\nEND")
            #expect(datagrams.lines == Array(repeating: "yes", count: 8), "\(datagrams)")
            let bulk = try await home.exec(
                "one", "iperf3 -c two -t 3 -J > /tmp/up && iperf3 -c two -t 3 -R -6 -J > /tmp/down; echo $?")
            #expect(bulk.lines.last == "0", "\(bulk)")
            #expect(
                try await home.exec(
                    "one",
                    "dig +short nobody.lan.sandpiper.internal; dig nobody.lan.sandpiper.internal | grep -c NXDOMAIN"
                ).output == "1\n")
            try await home.removeAll("one", "Two")
        }
    }

    @Test("nobody reaches a network from outside, nor one from another, and no address that is not one's own is heard")
    func apart() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await home.network("lan")
            try await home.network("other")
            try await home.member("in", ["--join", "lan"])
            try await home.member("both", ["--join", "lan", "--join", "other"])
            try await home.member("out", ["--join", "other", "--network", "all"])
            let address = try await home.addresses("in", "lan")
            // By address, though its policy allows everything; by name it does not even learn that there is one.
            for target in [address.v4, "[\(address.v6)]", "in"] {
                let tried = try await home.exec("out", "curl -sS -m 60 http://\(target):8000; echo $?")
                // What the host's own network says of these addresses is the policy's matter.
                #expect(!tried.output.contains("in "), "\(target): \(tried)")
            }
            let otherwise = try await home.exec(
                "out", "curl -sS both:8000; ping -c 1 -W 2 \(address.v4) >/dev/null; echo $?")
            #expect(otherwise.lines.first?.hasPrefix("both ") == true && otherwise.lines.last != "0", "\(otherwise)")
            // Not even through one that is in both.
            let both = try await home.addresses("both", "lan")
            let routed = try await home.exec(
                "out", "ip route add \(both.v4) dev eth0; curl -sS -m 20 http://\(both.v4):8000; echo $?")
            #expect(routed.lines.last != "0" && !routed.output.contains("both"), "\(routed)")
            // Forged sources: of another member, of another network, of nobody.
            let forged = """
                import socket, struct, sys
                s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
                for source in sys.argv[2:]:
                    udp = struct.pack("!HHHH", 5, 9000, 12, 0) + b"evil"
                    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(sys.argv[1]))
                    total = sum(struct.unpack("!10H", head)); total = (total >> 16) + (total & 0xffff)
                    s.sendto(head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:] + udp, (sys.argv[1], 0))
                """
            let own = try await home.addresses("both", "other")
            _ = try await home.exec(
                "both", "python3 - \(address.v4) \(own.v4) 192.0.0.2 10.188.3.77 8.8.8.8 <<'END'\n\(forged)\nEND")
            let events = try await home.networkEvents("both")
            #expect(events.filter { $0.contains("forged source") }.count >= 4, "\(events)")
            #expect(try await home.exec("in", "true").status == 0)
            try await home.removeAll("in", "both", "out")
        }
    }

    @Test(
        "rules hold between members too: at who sends and at who receives, by group, address and port, also changed ones"
    )
    func rules() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await home.network("lan")
            try await home.member("open", ["--join", "lan"])
            try await home.member("shut", ["--join", "lan", "--network", "public", "--deny", "ingress:sandboxes:8000"])
            try await home.member("mute", ["--join", "lan", "--network", "public", "--deny", "sandboxes"])
            let web = "curl -sS -m 60 -o /dev/null"
            let refused = try await home.exec(
                "open", "\(web) shut:8000; echo $?; ping -c 1 -W 5 shut > /dev/null; echo $?; \(web) open:8000; echo $?"
            )
            #expect(refused.lines == ["7", "0", "0"], "\(refused)")
            let muted = try await home.exec("mute", "\(web) open:8000; echo $?; ping -c 1 -W 5 open; echo $?")
            #expect(
                muted.lines.first == "7" && muted.output.contains("rohibited") && muted.lines.last != "0", "\(muted)")
            // What others begin is not what it reaches.
            #expect(try await home.exec("open", "\(web) mute:8000; echo $?").lines == ["0"])
            let ingress = try await home.networkEvents("shut")
            #expect(
                ingress.contains { $0.contains("\"ingress\"") && $0.contains("deny ingress:sandboxes:8000") },
                "\(ingress)")
            let egress = try await home.networkEvents("mute")
            #expect(egress.contains { $0.contains("\"egress\"") && $0.contains("deny sandboxes") }, "\(egress)")
            // A connection that there is ends when it is allowed no more, at both ends.
            let wait = """
                import socket
                s = socket.create_connection(("open", 8000)); print("connected", flush=True)
                try: print(s.recv(1))
                except ConnectionResetError: print("reset", flush=True)
                """
            _ = try await home.sandpiper("exec", "shut", "--", "python3", "-c", wait) { client in
                try await client.expectLine("connected")
                let changed = try await home.sandpiper(
                    "policy", "set", "shut", "--network", "public", "--deny", "sandboxes")
                #expect(changed.status == 0, "\(changed)")
                try await client.expectLine("reset")
            }
            try await home.removeAll("open", "shut", "mute")
        }
    }

    @Test(
        "an address lasts as long as its sandbox: a pause keeps it, a fork gets one of its own, a removal gives it back"
    )
    func lives() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await home.network("lan")
            try await home.member("one", ["--join", "lan"])
            try await home.member("two", ["--join", "lan"])
            let address = try await home.addresses("two", "lan")
            #expect(try await home.sandpiper("rename", "two", "zwei").status == 0)
            let renamed = try await home.exec("one", "curl -sS zwei:8000; getent hosts two; echo $?")
            #expect(renamed.lines.first?.hasPrefix("two ") == true && renamed.lines.last == "2", "\(renamed)")

            let wait = """
                import socket
                s = socket.create_connection(("zwei", 8000)); print("connected", flush=True)
                try: print(s.recv(1))
                except (ConnectionResetError, ConnectionAbortedError): print("reset", flush=True)
                """
            _ = try await home.sandpiper("exec", "one", "--", "python3", "-c", wait) { client in
                try await client.expectLine("connected")
                #expect(try await home.sandpiper("pause", "zwei").status == 0)
                try await client.expectLine("reset")
            }
            let away = try await home.exec("one", "curl -sS -m 60 zwei:8000; echo $?")
            #expect(["7", "113"].contains(away.lines.last), "\(away)")
            #expect(try await home.addresses("zwei", "lan") == address)
            #expect(try await home.sandpiper("resume", "zwei").status == 0)
            #expect(try await home.exec("one", "curl -sS zwei:8000").output.hasPrefix("two "))
            #expect(try await home.exec("zwei", "curl -sS -4 one:8000").output == "one \(address.v4)\n")

            let forked = try await home.sandpiper("fork", "--name", "drei", "zwei")
            #expect(forked.status == 0, "\(forked)")
            let fork = try await home.addresses("drei", "lan")
            #expect(fork != address)
            let shown = try await home.exec("drei", "ip -o addr show dev eth0; curl -sS -4 one:8000")
            #expect(shown.output.contains("\(fork.v4)/22") && shown.output.contains("\(fork.v6)/64"), "\(shown)")
            #expect(!shown.output.contains("\(address.v4)/") && !shown.output.contains("\(address.v6)/"), "\(shown)")
            #expect(shown.lines.last == "one \(fork.v4)")
            let three = try await home.exec("one", "curl -sS drei:8000; curl -sS -6 zwei:8000; curl -sS -6 drei:8000")
            #expect(three.lines.count == 3, "\(three)")

            #expect(try await home.sandpiper("network", "rm", "lan").error.contains("belongs to"))
            #expect(try await home.sandpiper("rm", "-f", "zwei").status == 0)
            let gone = try await home.exec(
                "one", "curl -sS -m 60 \(address.v4):8000; echo $?; getent hosts zwei; echo $?")
            #expect(gone.lines == ["7", "2"], "\(gone)")
            try await home.removeAll("one", "drei")
            #expect(try await home.sandpiper("network", "inspect", "lan").output.contains("\"id\"") == false)
            #expect(try await home.sandpiper("network", "rm", "lan").status == 0)
            let left = try await home.host("ls '\(home.path)/networks' '\(home.path)/run'")
            #expect(left.lines.allSatisfy { $0.hasSuffix(":") }, "\(left)")
            let late = try await home.sandpiper("run", "--join", "lan", "network", "--", "true")
            #expect(late.status == 125 && late.error.contains("no network 'lan'"), "\(late)")
        }
    }
}

extension TestHome {
    fileprivate func network(_ name: String) async throws {
        let made = try await sandpiper("network", "create", name)
        try #require(made.status == 0, "\(made.error)")
    }

    /// A sandbox that serves on its ports, and says its name.
    @discardableResult
    fileprivate func member(_ name: String, _ options: [String]) async throws -> SandboxDirectory {
        let made = try await sandpiper(
            ["create", "--name", name, "--env", "WHO=\(name)"] + options + ["network", "--", "sleep", "infinity"])
        try #require(made.status == 0, "\(made.error)")
        let started = try await sandpiper("exec", "-d", name, "--", "python3", "-c", PrivateNetworkTests.server)
        try #require(started.status == 0, "\(started.error)")
        let second = try await sandpiper("exec", "-d", name, "--", "iperf3", "-s")
        try #require(second.status == 0, "\(second.error)")
        let ready = try await exec(
            name, "for i in $(seq 100); do curl -s -o /dev/null localhost:8000 && exit; sleep 0.2; done; exit 1")
        try #require(ready.status == 0, "\(ready)")
        return try directory(name)
    }

    /// The addresses of a sandbox in a network.
    fileprivate func addresses(_ sandbox: String, _ network: String) async throws -> MemberAddresses {
        let name = try #require(NetworkName(network))
        let stored = PrivateNetwork(name, in: Home(path: path))
        let member = try #require(try stored.members().member(directory(sandbox).id.description))
        let addresses = try stored.record.subnet.addresses(of: member.number).map(\.description)
        return MemberAddresses(v4: addresses[0], v6: addresses[1])
    }

    /// What the sandbox's network has refused, one JSON text each.
    fileprivate func networkEvents(_ sandbox: String) async throws -> [String] {
        try await Task.sleep(for: .seconds(1))
        let log = try directory(sandbox).path + "/network.log"
        return String(decoding: try FileTree.read(log), as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    fileprivate func removeAll(_ names: String...) async throws {
        let removed = try await sandpiper(["rm", "-f"] + names)
        #expect(removed.status == 0, "\(removed)")
        try await waitForProcesses()
    }
}

/// An address of each version.
private struct MemberAddresses: Equatable {
    let v4: String
    let v6: String
}
