"""What the workloads in Python have in common: they are asked something, answer, and end when they are told to."""

import os
import select
import sys


class Requests:
    """The requests that come by `workload.sh`."""

    def __init__(self):
        self.descriptor = os.open("ask", os.O_RDWR)
        self._step = 0

    def ready(self):
        """Says that requests are answered from now on."""
        os.close(os.open("ready", os.O_CREAT | os.O_WRONLY))

    def step(self):
        """Writes the next line of the log."""
        self._step += 1
        print("step", self._step, flush=True)

    def is_pending(self):
        """Whether somebody asks."""
        return bool(select.select([self.descriptor], [], [], 0)[0])

    def serve(self, check, status, end=lambda: None):
        """Waits for one request and answers it: with what `check` returns for the part that is asked for, or with what
        was wrong with it. Asked to finish, does what is to be done at the `end`, and ends the program with `status`.
        """
        request = b""
        while not request.endswith(b"\n"):
            request += os.read(self.descriptor, 1)
        word, *part = request.decode().split()
        try:
            answer = f"ok {end() if word == 'finish' else check(int(part[0]))}"
        except Exception as error:  # whatever it is, whoever asked is to know
            answer, status = f"{type(error).__name__}: {error}", 1
        if word == "finish":
            print("done", self._step, flush=True)
        self._answer(answer)
        if word == "finish":
            # Without a look back at what the interpreter holds.
            os._exit(status)

    @staticmethod
    def _answer(text):
        with open("answer", "w") as answer:
            print(text.replace("\n", " "), file=answer)


def size(name, default):
    """A size that whoever starts the workload may choose."""
    return int(os.environ.get("WORKLOAD_" + name, default))


def expect(what, found, expected):
    """Fails when something is not as it must be."""
    if found != expected:
        raise ValueError(f"{what}: {found!r}, not {expected!r}")


if __name__ == "__main__":
    sys.exit("this is no workload")
