"""Two network namespaces on one wire: a host, where sandboxes run, and all that lies outside of it.

The outside has its addresses to itself: an address of the host's own would be one that a sandbox may not reach. Works
as root, and as an ordinary user in a user namespace, where programs still run as that user. Nothing outlives the
process that made them: its helpers end when it does, and the namespaces with the last program in them.
"""

import ctypes
import os
import signal
import subprocess

HOST_INTERFACE, OUTSIDE_INTERFACE = "host0", "outside0"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

# Brings up a namespace's loopback, says so, and stays until its input ends.
_HOLD = ["sh", "-c", "ip link set lo up && echo held && exec cat"]


def die_with_parent():
    """Has the kernel end this process when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(arguments, text_input=""):
    """Runs a command to its end; what it printed."""
    process = subprocess.run(arguments, input=text_input, capture_output=True, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: status {process.returncode}: {process.stderr.strip()}")
    return process.stdout


class Namespaces:
    """The host and the outside, joined; use as a context."""

    # Of the host on the wire, and of the outside's end, which is the host's way to everywhere.
    HOST = ("203.0.113.10/24", "2001:db8:cafe::10/64")
    OUTSIDE = ("203.0.113.1/24", "2001:db8:cafe::1/64")

    def __init__(self):
        self._processes = []

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _make(self):
        own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self._host = self._hold(["unshare", *own_user, "--net", "--mount", *_HOLD])
        self._outside = self._hold([*self._enter(self._host, "user"), "unshare", "--net", "--mount", *_HOLD])
        # Written as one batch each: a process less is time less, and there is one lab for every suite.
        self._batch(self._host,
                    f"link add {HOST_INTERFACE} type veth peer name {OUTSIDE_INTERFACE} netns {self._outside}",
                    *(f"addr add {address} dev {HOST_INTERFACE} nodad" for address in self.HOST),
                    f"link set {HOST_INTERFACE} up")
        self._batch(self._outside, *(f"addr add {address} dev {OUTSIDE_INTERFACE} nodad" for address in self.OUTSIDE),
                    f"link set {OUTSIDE_INTERFACE} up")
        self._batch(self._host, *(f"route add default via {address.split('/')[0]}" for address in self.OUTSIDE))

    def _hold(self, command):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self._processes.append(process)
        if process.stdout.readline() != b"held\n":
            raise RuntimeError(f"{' '.join(command)} made no namespace")
        return process.pid

    def batch_host(self, lines):
        """Does what lines of `ip -batch` say, on the host."""
        self._batch(self._host, *lines)

    def batch_outside(self, lines):
        """The same outside."""
        self._batch(self._outside, *lines)

    def _batch(self, namespace, *lines):
        run([*self._enter(namespace, "user", "net"), "ip", "-batch", "-"], text_input="\n".join(lines) + "\n")

    @staticmethod
    def _enter(process, *kinds):
        if os.geteuid() == 0:
            kinds = [kind for kind in kinds if kind != "user"]
            if not kinds:
                return []
        return ["nsenter", f"--target={process}", "--preserve-credentials", *(f"--{kind}" for kind in kinds)]

    @property
    def host_root(self):
        """The words before a command that make it run on the host, with all power over its network."""
        return self._enter(self._host, "user", "net", "mount")

    @property
    def outside_root(self):
        """The words before a command that make it run outside, with all power over the network there."""
        return self._enter(self._outside, "user", "net", "mount")

    @property
    def host(self):
        """The words before a command that make it run on the host as whoever we are."""
        if os.geteuid() == 0:
            return self.host_root
        user = ["unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
        return [*self.host_root, *user]

    def start(self, prefix, command, **options):
        """Starts a program that ends with this process."""
        options.setdefault("stdin", subprocess.DEVNULL)
        # Said again inside: whoever gains power over a namespace forgets what was said before.
        command = [*prefix, "setpriv", "--pdeathsig", "KILL", *command]
        process = subprocess.Popen(command, preexec_fn=die_with_parent, **options)
        self._processes.append(process)
        return process

    def close(self):
        """Ends all that was started here."""
        for process in reversed(self._processes):
            process.kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        self._processes = []
