"""A docker engine that exists only while it is measured: own folders, own socket, no change to the network."""

import contextlib
import os
import select
import shutil
import subprocess
import tempfile

from measure import output

DOCKER, DAEMON = "/usr/bin/docker", "/usr/sbin/dockerd"


class DockerEngine:
    """A context manager; `None` is entered when no engine can be had, and `reason` says why."""

    def __init__(self, image_archive, start_seconds=60):
        self.image_archive = image_archive
        self.start_seconds = start_seconds
        self.reason = None
        self._daemon = None
        self._folder = None

    def command(self, *arguments):
        """A docker command line that talks to this engine."""
        return [DOCKER, "-H", f"unix://{self._folder}/docker.sock", *arguments]

    @property
    def run_true(self):
        """The command line of a container that does nothing, which a sandbox is compared with."""
        return self.command("run", "--rm", "--network=none", "busybox", "/bin/true")

    def load(self, archive):
        """Imports a further image."""
        output(self.command("load", "-i", archive))

    @contextlib.contextmanager
    def container(self):
        """The id of a running container that goes when its user is done."""
        container = output(self.command("run", "-d", "--network=none", "busybox", "tail", "-f", "/dev/null"))
        try:
            yield container
        finally:
            output(self.command("rm", "--force", container))

    def __enter__(self):
        if os.geteuid() != 0:
            self.reason = "a docker engine needs root"
        elif not (os.access(DOCKER, os.X_OK) and os.access(DAEMON, os.X_OK)):
            self.reason = "Debian's package docker.io is not installed"
        else:
            try:
                self._start()
            except BaseException:
                self._stop(remove=True)
                raise
        return self if self.reason is None else None

    def _start(self):
        self._folder = tempfile.mkdtemp(prefix="sandpiper-docker.")
        log = open(f"{self._folder}/log", "wb")
        # In a session of its own it does not see a Ctrl-C before we stop it; should we be killed, it stops by itself.
        self._daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", DAEMON, "--iptables=false", "--ip6tables=false", "--bridge=none",
             "--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec",
             "--pidfile", f"{self._folder}/pid", "-H", f"unix://{self._folder}/docker.sock"],
            env=dict(os.environ, TMPDIR=self._folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)
        if not self._wait_until_ready(log):
            self.reason = f"dockerd did not start; see {self._folder}/log"
            self._stop()
            return
        load = subprocess.run(self.command("load", "-i", self.image_archive), capture_output=True)
        if load.returncode != 0:
            self.reason = "docker load: " + load.stderr.decode(errors="replace").strip()
            self._stop(remove=True)

    def _wait_until_ready(self, log):
        """The daemon says `API listen on` when it is ready."""
        output, seen = self._daemon.stdout, b""
        while select.select([output], [], [], self.start_seconds)[0]:
            chunk = os.read(output.fileno(), 65536)
            log.write(chunk)
            log.flush()
            seen = (seen + chunk)[-65536:]
            if b"API listen on" in seen:
                # From here on the daemon's messages go nowhere, but must be read lest it block.
                self._drain = subprocess.Popen(["cat"], stdin=output, stdout=subprocess.DEVNULL)
                output.close()
                return True
            if not chunk:
                return False
        return False

    def _stop(self, remove=False):
        if self._daemon is None:
            return
        self._daemon.terminate()
        try:
            self._daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._daemon = None
        if remove:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __exit__(self, *_):
        if self._folder is not None:
            self._stop(remove=self.reason is None)
