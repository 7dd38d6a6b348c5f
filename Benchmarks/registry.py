"""Debian's docker-registry on the loopback interface, the one of the tests."""

import json
import os
import subprocess
import sys

from measure import Failure

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Registries", "docker_registry.py")


class Registry:
    """A context manager; gives the registry's HOST:PORT. It serves plain HTTP, and what it keeps is below `folder`."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        # The server ends when its standard input does, and so with this program however that ends.
        self._server = subprocess.Popen([sys.executable, "-B", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=dict(os.environ, TMPDIR=self.folder), text=True)
        try:
            line = self._server.stdout.readline()
            if not line:
                raise Failure("docker-registry did not start; its reason is above")
            return json.loads(line)["address"]
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
