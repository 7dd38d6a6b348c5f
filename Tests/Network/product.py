"""Sandboxes as the cases see them: all that is known here of the command line and of the files of a home."""

import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
LAB_IN_GUEST = "/lab"


class Failure(Exception):
    """A command of ours failed; the message says which, and what it said."""


class Product:
    """Our commands, run on the lab's host.

    `executables` is a folder, `home` that of the sandboxes, `host` the words before a command that make it run on the
    host, `image` the image that sandboxes are made from, `environment` what the commands find in theirs besides.
    """

    def __init__(self, executables, home, host, folder, image="network", environment=None):
        self.home, self._host, self._folder, self._image = home, list(host), folder, image
        self._program = os.path.join(executables, "sandpiper")
        self._environment = dict(os.environ, SANDPIPER_HOME=home, **(environment or {}))
        self._files = 0

    def command(self, *words):
        """A whole command line."""
        return [*self._host, self._program, *words]

    def run(self, *words, check=True):
        """Runs one of our commands to its end; what it printed. What it starts may keep our files open."""
        self._files += 1
        outcome = os.path.join(self._folder, f"command-{self._files}")
        with open(outcome + ".out", "wb") as output, open(outcome + ".err", "wb") as error:
            status = subprocess.run(self.command(*words), env=self._environment, stdin=subprocess.DEVNULL,
                                    stdout=output, stderr=error, timeout=120).returncode
        with open(outcome + ".out", errors="replace") as output, open(outcome + ".err", errors="replace") as error:
            said, complaint = output.read(), error.read()
        if check and status != 0:
            raise Failure(f"sandpiper {' '.join(words)}: status {status}: {complaint.strip()}")
        return said if check else (status, said, complaint)

    def network_options(self, network):
        """The options for `network` of a case: a word, a list of options, or a policy."""
        if network is None:
            return []
        if isinstance(network, str):
            return ["--network", network]
        if isinstance(network, list):
            return network
        self._files += 1
        path = os.path.join(self._folder, f"policy-{self._files}.yaml")
        with open(path, "w") as file:
            json.dump(network, file)        # which is YAML too
        return ["--policy", path]

    def create(self, network, options=()):
        """A running sandbox that sees the lab's programs; its id."""
        options = [*self.network_options(network), *options, "-v", f"{HERE}:{LAB_IN_GUEST}:ro"]
        said = self.run("create", *options, self._image)
        return Sandbox(self, said.strip())


class Sandbox:
    """A running sandbox."""

    def __init__(self, product, name):
        self._product, self.name = product, name
        listed = [folder for folder in os.listdir(os.path.join(product.home, "sandboxes")) if folder.startswith(name)]
        self.id = listed[0] if listed else name

    def start(self, *command, **options):
        """Starts a command in the sandbox, with its input and output passed on."""
        return subprocess.Popen(self._product.command("exec", "-i", self.name, "--", *command),
                                env=self._product._environment, **options)

    def set_policy(self, network):
        """Gives the running sandbox another policy."""
        self._product.run("policy", "set", self.name, *self._product.network_options(network))

    def remove(self):
        """Ends it."""
        self._product.run("rm", "--force", self.name)

    @property
    def log(self):
        """The events of its network so far."""
        path = os.path.join(self._product.home, "sandboxes", self.id, "network.log")
        try:
            with open(path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
