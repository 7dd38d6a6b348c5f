#!/usr/bin/env python3
"""Looks for the values of a sandbox's secrets wherever they must not be, while it lives through everything there is.

    secret_search.py --executables FOLDER --home FOLDER

The sandbox has one secret from a file and one from a variable, and uses both. Then, at each stage of its life, the
values are looked for as they are and in other forms: in every file of the home, in what our commands print, in the
command lines, environments, open files in memory and (where that is permitted) memory of every process but the
interceptor. That the search finds what is there is shown with the placeholders. A line of JSON for each stage: case,
ok, wrong.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from product import Failure, Product  # noqa: E402
from run_cases import LabClient  # noqa: E402
from values import Values, forms  # noqa: E402

BLOCK = 8 << 20
USE = ('curl -sS -m 60 -H "X-A: $TOKEN" "https://api.example.com/record?key=$KEY"; '
       'curl -sS -m 60 -u "user:$KEY" -d "a=$KEY" https://api.example.com/record; '
       'curl -sS -m 60 -H "X-A: $TOKEN" https://www.example.com/record')


class Search:
    """Needles, and where each was found."""

    def __init__(self, needles):
        self._needles = needles
        self._overlap = max(len(needle) for needle in needles) - 1
        self.bytes = 0

    def stream(self, read):
        """The needles among what `read` gives block by block until it gives nothing."""
        found, last = set(), b""
        while block := read():
            self.bytes += len(block)
            content = last + block
            found |= {needle for needle in self._needles if needle not in found and needle in content}
            last = content[-self._overlap:]
        return found

    def text(self, content):
        """The needles in bytes."""
        blocks = iter((content, b""))
        return self.stream(lambda: next(blocks))

    def file(self, path):
        """The needles in a file; holes are passed over."""
        found = set()
        with open(path, "rb", buffering=0) as file:
            position, end = 0, os.fstat(file.fileno()).st_size
            if end == 0:
                return self.stream(lambda: file.read(BLOCK))
            while position < end:
                try:
                    begin = os.lseek(file.fileno(), position, os.SEEK_DATA)
                except OSError:         # there is only a hole
                    break
                position = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
                os.lseek(file.fileno(), begin, os.SEEK_SET)
                left = [position - begin]

                def read(left=left):
                    block = file.read(min(BLOCK, left[0]))
                    left[0] -= len(block)
                    return block

                found |= self.stream(read)
        return found

    def memory(self, process):
        """The needles in a process's memory."""
        found = set()
        with open(f"/proc/{process}/smaps") as maps, open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
            area = None
            for line in maps:
                fields = line.split()
                if not fields[0].endswith(":"):
                    area = tuple(int(number, 16) for number in fields[0].split("-"))
                elif fields[0] == "Rss:" and int(fields[1]) > 0 and area[0] < 1 << 63:
                    position = list(area)

                    def read(position=position):
                        length = min(BLOCK, position[1] - position[0])
                        try:
                            block = os.pread(memory.fileno(), length, position[0]) if length else b""
                        except OSError:     # a device's, or gone
                            return b""
                        position[0] += len(block)
                        return block

                    found |= self.stream(read)
        return found


def processes(sandboxes):
    """Of these sandboxes: the number of each process, and what it is called."""
    parents, words, names = {}, {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as file:
                begin, _, rest = file.read().rpartition(b")")
            parents[int(name)] = int(rest.split()[1])
            # For those without a command line.
            names[int(name)] = begin.partition(b"(")[2].decode(errors="replace")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words[int(name)] = file.read().decode(errors="replace").split("\0")
    ours = {process for process, line in words.items() if any(sandbox in line for sandbox in sandboxes)}
    # What is started may call itself anything.
    while more := {process for process, parent in parents.items() if parent in ours and process not in ours}:
        ours |= more
    return {process: os.path.basename(words.get(process, [""])[0]) or names[process] for process in sorted(ours)}


class Life:
    """The sandbox, and the stages that it has been through."""

    def __init__(self, lab, product, values):
        self.lab, self.product, self.values = lab, product, values
        self.failed = self._bytes = 0
        # Of processes that were looked at, at some time.
        self._names = set()
        self.sandbox = product.create("public", [
            "--name", "searched", "--record-connections", "--tls-authority", lab.facts["authority"],
            "--secret", f"TOKEN=@{values.path('TOKEN')}@api.example.com",
            "--secret", "KEY=LAB_KEY@api.example.com", "--secret-in", "KEY=headers,basic,query,form,json"])
        self.placeholders = [self.sandbox.variable(name).encode() for name in ("TOKEN", "KEY")]
        # With the mark all values are found that there ever were.
        mark = values.mark.encode()
        self._needles = dict.fromkeys((*forms(values.mark), mark.hex().encode(), mark[::-1]), "value")
        self._needles |= dict.fromkeys(self.placeholders, "placeholder")

    def renew(self):
        """Other values; the last ones are looked for as well."""
        for name in ("TOKEN", "KEY"):
            self.values.renew(name)

    def use(self, name="searched"):
        """Has a sandbox use both secrets; what is wrong."""
        begin = self.lab.received_length
        self.product.run("exec", name, "--", "sh", "-c", USE)
        text = self.lab.received(begin)
        missing = [word for word in ("TOKEN", "KEY") if self.values.now[word] not in text]
        return f"the server did not get {missing}" if missing else None

    def stage(self, name, action, *, frozen=False):
        """Does something, then looks everywhere."""
        begin = time.monotonic()
        said = {"case": name}
        try:
            wrong = action()
            placed = self._look() if wrong is None else {}
            where = [place for place, found in placed.items() if any(what != "placeholder" for what in found)]
            if where:
                wrong = f"found: {[(place, sorted(placed[place])) for place in where]}"
            elif wrong is None:
                wrong = self._blind(placed, frozen)
        except (Failure, OSError, subprocess.TimeoutExpired) as error:
            wrong = str(error)
        self.failed += wrong is not None
        said |= {"ok": wrong is None, "seconds": round(time.monotonic() - begin, 2), "bytes": self._bytes}
        print(json.dumps({**said, "wrong": wrong} if wrong else said), flush=True)

    def _blind(self, placed, frozen):
        """What the search should have found and did not."""
        seen = [place for place, found in placed.items() if "placeholder" in found]
        if not any(place.endswith("/sandbox.json") for place in seen):
            return f"the placeholders were not even found in the record, only in {seen}"
        if missing := {"sandpiper-supervisor", "sandpiper-tls", "sandpiper-vm"} - self._names:
            return f"no {', no '.join(sorted(missing))} was looked at"
        if frozen and not any(place.startswith("file") and self._is_memory(place) for place in seen):
            return f"the placeholders were not even found in a frozen memory, only in {seen}"
        return None

    @staticmethod
    def _is_memory(place):
        """Whether a file is the memory of a frozen machine."""
        folder, name = os.path.split(place)
        return os.path.basename(folder) in ("frozen", "origin", "machine") and not name.endswith(".json")

    def _look(self):
        """Where something was found, and what."""
        search, placed = Search(list(self._needles)), {}

        def note(place, found):
            if found:
                placed[place] = {self._needles[needle] for needle in found}

        for folder, _, names in os.walk(self.product.home):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with contextlib.suppress(FileNotFoundError):
                        note(f"file {path}", search.file(path))
                note(f"name {path}", search.text(name.encode()))
        self._look_at_processes(search, note)
        for words in (["inspect", "searched"], ["ps", "-a"], ["ps", "-a", "--json"], ["policy", "show", "searched"],
                      ["events", "--since", "1h", "--until", "0.1s", "--json"], ["logs", "searched"],
                      ["jobs", "searched"], ["snapshot", "ls", "--json"], ["doctor"]):
            _, output, error = self.product.run(*words, check=False)
            note(f"output of {' '.join(words)}", search.text((output + error).encode()))
        self._bytes = search.bytes
        return placed

    def _look_at_processes(self, search, note):
        for process, name in processes(os.listdir(os.path.join(self.product.home, "sandboxes"))).items():
            self._names.add(name)
            for what in ("cmdline", "environ"):
                with contextlib.suppress(PermissionError, FileNotFoundError, ProcessLookupError):
                    note(f"{what} of {name}", search.file(f"/proc/{process}/{what}"))
            with contextlib.suppress(PermissionError, FileNotFoundError, ProcessLookupError):
                for number in os.listdir(f"/proc/{process}/fd"):
                    with contextlib.suppress(OSError):
                        link = f"/proc/{process}/fd/{number}"
                        if os.readlink(link).startswith("/memfd:"):
                            note(f"open file in memory of {name}", search.file(link))
            # The one process that has them.
            if name == "sandpiper-tls":
                continue
            with contextlib.suppress(PermissionError, FileNotFoundError, ProcessLookupError):
                note(f"memory of {name}", search.memory(process))


def live(life):
    """From the first use to the last."""
    product = life.product
    run = product.run

    def job():
        run("exec", "-d", "searched", "--", "sh", "-c", f"env; {USE}; exec sleep 3600")
        time.sleep(3)

    def fail():
        status, output, error = run("create", "--secret", f"TOKEN=@{life.values.path('TOKEN')}@api.example.com",
                                    "--secret", "NEVER_SET@api.example.com", "network", check=False)
        return None if status == 125 and not output and "NEVER_SET" in error else f"status {status}: {output}{error}"

    def after(*words):
        def act():
            run(*words)
        return act

    life.stage("in use", life.use)
    life.stage("a job prints what it has, and uses it", job)
    life.stage("another sandbox could not be started", fail)
    life.stage("paused", after("pause", "searched"), frozen=True)
    life.renew()
    life.stage("resumed with other values", lambda: run("resume", "searched") and None or life.use())
    life.stage("written down", after("snapshot", "create", "searched", "written"), frozen=True)
    life.stage("a fork uses them", lambda: run("fork", "--name", "forked", "searched") and None or life.use("forked"),
               frozen=True)
    life.stage("stopped", after("stop", "searched"), frozen=True)
    life.renew()
    life.stage("started with other values", lambda: run("start", "searched") and None or life.use(), frozen=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executables", required=True)
    parser.add_argument("--home", required=True, help="one that has the image `network`")
    arguments = parser.parse_args()
    lab = LabClient(["--tls", "--no-packets"])
    try:
        with tempfile.TemporaryDirectory(prefix="sandpiper-search-") as folder:
            values = Values(folder, {"TOKEN": "file", "KEY": "variable"})
            product = Product(arguments.executables, arguments.home, lab.facts["host"], folder,
                              environment=values.environment)
            life = Life(lab, product, values)
            try:
                live(life)
            finally:
                for words in (["rm", "-f", "searched", "forked"], ["snapshot", "rm", "written"]):
                    with contextlib.suppress(Failure, subprocess.TimeoutExpired):
                        product.run(*words)
    finally:
        lab.close()
    return 1 if life.failed else 0


if __name__ == "__main__":
    sys.exit(main())
