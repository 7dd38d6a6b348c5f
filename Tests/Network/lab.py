#!/usr/bin/env python3
"""A little internet for tests: real servers outside of a host's network namespace, in which sandboxes run.

Ready line: host (the words before a command that make it run on the host), authority (path of a certificate), log,
packets and host_log (files of JSON lines: what reached the servers outside, which packets came to them, what reached
those on the host), received (with --tls, a file of JSON lines: the requests below /record), requests (nginx's log),
folder. Commands on standard input, one JSON object a line, each answered by a line:
  {"change": NAME, "kind": "A", "value": ADDRESS or null, "seconds": 1}   another answer of the name server
  {"host": [WORD]…}                                                       a command with power over the host's network
  {"outside": [WORD]…}                                                    the same outside
It ends, with all that it started and wrote, when its standard input ends or on SIGTERM.
"""

import argparse
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Registries"))
from server_process import ready, work_folder  # noqa: E402 - beside this folder

import addresses
from name_server import NameServer
from namespaces import Namespaces, run
from web_server import WebServer

HERE = os.path.dirname(os.path.abspath(__file__))


class Lab:
    """All of it, while it runs; use as a context."""

    def __init__(self, folder, packets=True, mirrors=False, ping=True, huge=None):
        self.folder, self._packets, self._mirrors, self._ping, self._huge = folder, packets, mirrors, ping, huge
        self.log, self.packets, self.host_log = (os.path.join(folder, name) for name in ("log", "packets", "host-log"))

    def __enter__(self):
        self.networks = Namespaces().__enter__()
        try:
            self._start()
        except BaseException:
            self.networks.close()
            raise
        return self

    def __exit__(self, *_):
        self.networks.close()

    def _start(self):
        networks = self.networks
        self._add_addresses()
        self.names = NameServer(networks, self.folder)
        witnesses = [self._witness(), self._host_witness(), self._odd_proxies()]
        self._echo()
        self._proxies()
        self.web = WebServer(networks, self.folder, faulty=self._huge is not None)
        if self._mirrors:
            from mirrors import Mirrors
            self.mirrors = Mirrors(networks, self.folder, self.web)
        if self._huge is not None:
            from tls_servers import TLSServers
            self.tls = TLSServers(networks, self.folder, self.web, self._huge)
        for witness in witnesses:
            if witness.stdout.readline() != b"ready\n":
                raise RuntimeError("a server of the lab did not start")
            # It says no more; whoever reads must not wait for it.
            threading.Thread(target=witness.stdout.read, daemon=True).start()
        self.names.wait()
        self._wait_for_web()

    def _add_addresses(self):
        networks = self.networks
        outside = [f"addr add {address}/128 dev lo nodad" if ":" in address else f"addr add {address}/32 dev lo"
                   for address in addresses.PUBLIC + addresses.INSIDE]
        # Who is sent to the last of these hears nothing at all.
        networks.batch_outside([*outside, "route add blackhole 192.0.2.43/32"])
        networks.batch_host([f"addr add {address} dev lo" + (" nodad" if ":" in address else "")
                             for address in addresses.HOST_EXTRA]
                            # Where the way ends.
                            + ["route add unreachable 192.0.2.41/32"])
        resolver = os.path.join(self.folder, "resolv.conf")
        with open(resolver, "w") as file:
            file.write(f"nameserver {addresses.NAME_SERVER[0]}\n")
        os.chmod(resolver, 0o644)
        words = [f"mount --bind {resolver} $(readlink -f /etc/resolv.conf)"]
        if self._ping:
            group = os.getegid() if os.geteuid() == 0 else 0
            words.append(f"echo {group} {group} >/proc/sys/net/ipv4/ping_group_range")
        run([*networks.host_root, "sh", "-c", " && ".join(words)])

    def _start_python(self, prefix, *arguments, program="witness.py"):
        return self.networks.start(prefix, [sys.executable, "-B", os.path.join(HERE, program), *arguments],
                                   stdout=subprocess.PIPE)

    def _odd_proxies(self):
        return self._start_python(self.networks.outside_root, addresses.PROXY[0], program="odd_proxies.py")

    def _witness(self):
        arguments = ["--log", self.log]
        if self._packets:
            arguments += ["--packets", self.packets]
        for address in addresses.PUBLIC + addresses.INSIDE:
            if address not in addresses.CLOSED + addresses.NAME_SERVER:
                arguments += ["--address", address]
        for address in addresses.FOREIGN_NAME_SERVER:
            arguments += ["--foreign", address]
        for address in addresses.ECHO:
            arguments += ["--taken", f"{address}/7"]
        return self._start_python(self.networks.outside_root, *arguments)

    def _host_witness(self):
        """What the host itself serves: a sandbox must not reach it unless it is allowed to."""
        arguments = ["--log", self.host_log, "--host"]
        for address in ("127.0.0.1", "::1", *Namespaces.HOST, *addresses.HOST_EXTRA):
            arguments += ["--address", address.split("/")[0]]
        return self._start_python(self.networks.host_root, *arguments)

    def _echo(self):
        four, six = addresses.ECHO
        for words in (f"TCP4-LISTEN:7,bind={four},fork,reuseaddr,backlog=128",
                      f"TCP6-LISTEN:7,bind=[{six}],fork,reuseaddr",
                      f"UDP4-RECVFROM:7,bind={four},fork", f"UDP6-RECVFROM:7,bind=[{six}],fork"):
            self.networks.start(self.networks.outside_root, ["socat", words, "PIPE"], stderr=subprocess.DEVNULL)

    def _proxies(self):
        """Debian's tinyproxy on port 3128 and microsocks on port 1080 of the proxy's address; on the ports after these
        the same that want a user and a password. The first refuses some targets, and all tell what they were asked."""
        four, six = addresses.PROXY
        with open(os.path.join(self.folder, "refused-targets"), "w") as file:
            file.write("^refused\\.example\\.com$\n^192\\.0\\.2\\.11$\n")
        configurations = []
        for port, more in ((3128, f"Filter \"{self.folder}/refused-targets\"\nFilterExtended On\n"),
                           (3129, "BasicAuth ann correcthorse\n")):
            configurations.append(os.path.join(self.folder, f"tinyproxy-{port}.conf"))
            with open(configurations[-1], "w") as file:
                file.write(f"Port {port}\nListen {four}\nBind {four}\nBind {six}\nTimeout 60\nMaxClients 200\n"
                           f"Allow 0.0.0.0/0\nLogFile \"{self.folder}/tinyproxy-{port}.log\"\nLogLevel Connect\n"
                           f"PidFile \"{self.folder}/tinyproxy-{port}.pid\"\n{more}")
        for scheme, port in (("http", 3129), ("socks5", 1081)):
            # A letter of it is written as a URL may write it.
            for kind, password in (("right", "%63orrecthorse"), ("wrong", "wrongpony")):
                with open(os.path.join(self.folder, f"{scheme}-{kind}"), "w") as file:
                    file.write(f"{scheme}://ann:{password}@{four}:{port}\n")
        # They ask the lab's name server.
        prefix = [*self.networks.outside_root, "unshare", "--mount", "sh", "-c",
                  f"mount --bind {self.folder}/resolv.conf $(readlink -f /etc/resolv.conf) && exec \"$@\"", "sh"]
        commands = [["tinyproxy", "-d", "-c", configuration] for configuration in configurations]
        commands.append(["microsocks", "-i", four, "-p", "1080"])
        commands.append(["microsocks", "-i", four, "-p", "1081", "-b", four, "-u", "ann", "-P", "correcthorse"])
        for command in commands:
            self.networks.start(prefix, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait_for_web(self):
        probe = ("import socket,time\n"
                 "for _ in range(200):\n"
                 "  try: socket.create_connection(('192.0.2.10', 443), 1); break\n"
                 "  except OSError: time.sleep(0.02)\n"
                 "else: raise SystemExit('nginx does not answer')")
        run([*self.networks.outside_root, sys.executable, "-c", probe])

    def facts(self):
        """What a test needs to know."""
        return {"host": self.networks.host, "authority": self.web.authority, "log": self.log, "packets": self.packets,
                "host_log": self.host_log, "requests": os.path.join(self.folder, "requests"), "folder": self.folder,
                "received": os.path.join(self.folder, "received")}

    def command(self, words):
        """Does what a line of standard input asks for."""
        if "change" in words:
            self.names.change(words["change"], words.get("kind", "A"), words["value"], words.get("seconds", 1))
            return {"done": True}
        for place, prefix in (("host", self.networks.host_root), ("outside", self.networks.outside_root)):
            if place in words:
                return {"done": True, "output": run([*prefix, *words[place]])}
        return {"done": False, "reason": "no such command"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-packets", action="store_true", help="do not look at each packet")
    parser.add_argument("--no-ping", action="store_true", help="the host lets nobody have sockets for ping")
    parser.add_argument("--mirrors", action="store_true",
                        help="serve packages of Debian and Python, and a git repository")
    parser.add_argument("--tls", action="store_true", help="serve what interception is tried with")
    parser.add_argument("--huge", type=int, default=1 << 20, help="how many bytes the largest file then has")
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with work_folder() as folder:
        os.chmod(folder, 0o755)
        with Lab(folder, packets=not arguments.no_packets, mirrors=arguments.mirrors,
                 ping=not arguments.no_ping, huge=arguments.huge if arguments.tls else None) as lab:
            ready(**lab.facts())
            for line in sys.stdin:
                try:
                    answer = lab.command(json.loads(line))
                except (RuntimeError, ValueError) as error:
                    answer = {"done": False, "reason": str(error)}
                print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
