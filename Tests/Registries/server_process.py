"""What the servers of the tests have in common.

Each prints one line of JSON on stdout when it is ready, and ends, with all it started and wrote, when its standard input
ends or on SIGTERM: a test that dies takes its servers with it.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

_PR_SET_PDEATHSIG = 1


class _Ended(Exception):
    """A signal asks for the end."""


def _end(_number, _frame):
    raise _Ended


def ready(**facts):
    """Tells the test that the server answers, and where."""
    print(json.dumps(facts), flush=True)


@contextlib.contextmanager
def work_folder():
    """A folder that goes at the end, also by a signal."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    folder = tempfile.mkdtemp(prefix="sandpiper-server-")
    try:
        yield folder
    except _Ended:
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_end():
    """Returns when whoever started this server has closed its standard input."""
    while os.read(sys.stdin.fileno(), 4096):
        pass


def start_child(arguments, **options):
    """Starts a program that dies with this one, however that ends."""
    libc = ctypes.CDLL(None)
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL,
                            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), **options)


class RequestLog:
    """A file with one JSON object for each request, written before the request is answered. It never holds a secret."""

    def __init__(self, path):
        self.path = path
        self._file = open(path, "w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, **facts):
        """Adds a line."""
        with self._lock:
            self._file.write(json.dumps(facts) + "\n")
            self._file.flush()


def authorization_scheme(headers):
    """The scheme of a request's Authorization header in lower case, and nothing of its secret; None without one."""
    value = headers.get("Authorization")
    return value.split(" ", 1)[0].lower() if value else None
