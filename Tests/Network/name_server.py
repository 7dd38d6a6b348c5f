"""Debian's Knot DNS outside, which knows the names of `lab.zone` and no other."""

import os
import shutil
import subprocess
import time

from addresses import NAME_SERVER
from namespaces import run

_CONFIGURATION = """
server:
  rundir: {folder}
{listen}
  tcp-workers: 1
  udp-workers: 1
  background-workers: 1
database:
  storage: {folder}
acl:
  - id: tests
    address: [{address}, 203.0.113.1]
    action: update
template:
  - id: default
    storage: {folder}
    semantic-checks: off
    zonefile-sync: -1
zone:
  - domain: .
    file: lab.zone
    acl: tests
"""


class NameServer:
    """The server, from its start on."""

    def __init__(self, networks, folder):
        self._networks, self._folder = networks, folder
        here = os.path.dirname(os.path.abspath(__file__))
        shutil.copy(os.path.join(here, "lab.zone"), folder)
        configuration = os.path.join(folder, "knot.conf")
        listen = "\n".join(f"  listen: {address}@53" for address in NAME_SERVER)
        with open(configuration, "w") as file:
            file.write(_CONFIGURATION.format(folder=folder, listen=listen, address=NAME_SERVER[0]))
        self._process = networks.start(networks.outside_root, ["knotd", "--config", configuration],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self):
        """Returns when it answers."""
        for _ in range(200):
            if self._process.poll() is not None:
                break
            if self.ask("www.example.com") == "192.0.2.10":
                return
            time.sleep(0.02)
        raise RuntimeError("knotd gave no answer")

    def ask(self, name, kind="A"):
        """What the server says of a name."""
        process = subprocess.run(
            [*self._networks.outside_root, "dig", "+short", "+time=1", "+tries=1", f"@{NAME_SERVER[0]}", name, kind],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return process.stdout.strip()

    def change(self, name, kind, value, seconds=1):
        """Gives a name another value from now on."""
        lines = [f"server {NAME_SERVER[0]}", "zone .", f"update delete {name}. {kind}"]
        if value is not None:
            lines.append(f"update add {name}. {seconds} {kind} {value}")
        run([*self._networks.outside_root, "nsupdate"], "\n".join([*lines, "send"]) + "\n")
