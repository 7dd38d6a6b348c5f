#!/usr/bin/env python3
"""Runs a file of cases: one lab, one sandbox, and in it what the cases try, beside what is expected of each.

    run_cases.py --executables FOLDER --home FOLDER cases/FILE.json
    run_cases.py --bare cases/FILE.json      without a sandbox, straight on the lab's host: whether the lab is as it
                                             should be
    run_cases.py --count cases/*.json        how many cases there are

A line of JSON for each case: case, ok, and of one that failed what was expected and seen. A file has `title`,
`network` (options, or a policy), perhaps `options` for the sandbox and `lab` for the lab, and `cases`. A case is a
step or has `steps`. Beside those of guest.py there are: `policy` (network: another policy), `change` (name, value: of
the name server), `wait` (seconds), `host` and `outside` (command), `sandpiper` (command), `log` (has: the fields of an
event since the case began, where `"+"` is any number above zero), `renew` and `forget` (secret, and perhaps its
value). A step is tried in the sandbox, or with `on` on the `host`, or in an `other` sandbox whose network is the
file's `other`, or in one of the file's `sandboxes`, which are made when they are needed, each by its name with a
network of its own, and are judged as the sandbox is. `environment` is that of the commands; with `before` and `after`,
commands of ours around all.

`{folder}` is the lab's folder, `{home}` that of the sandboxes, `{authority}` the path of that of the servers;
`{sandbox}`, with all of it `{id}`, and `{other}` are ids. Where a file has `secrets`, each a `file` or a `variable`,
there are `{value:NAME}`, `{file:NAME}`, `{placeholder:NAME}`, and `{base64:TEXT}`; no value must be in any answer, nor
reach a server that is not said to have it.

What is expected of a step: `is`, its outcome, one of several, or `denied`: refused as a refusal by policy may look;
`reply`, text that the answer holds, or with `not_reply` does not; `received` and `not_received`, the same of what the
web server wrote down below /record, and `may_get` what it might; `lines`, how many the answer has; `within` seconds,
and `at_least` so many. A refusal by policy has to be in the sandbox's log: `event` are the fields that it has, `false`
for none. What was refused must not have reached the servers.
"""

import argparse
import contextlib
import functools
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from product import LAB_IN_GUEST, Failure, Product  # noqa: E402
from values import Values, forms  # noqa: E402

# What a step says of its answer: not for the ears of who is asked.
EXPECTED = ("is", "reply", "not_reply", "received", "not_received", "may_get", "event", "reached", "lines")
# Commands of ours in which whatever runs in a sandbox ends, or is not heard of any more.
ENDING = ("stop", "start", "restart", "kill", "pause", "resume")

# How a refusal by policy may look from inside. Which it is, is for the gateway to say, if it only says so at once.
DENIED = {"tcp": ("refused", "unreachable", "prohibited", "reset"), "udp": ("refused", "unreachable", "prohibited"),
          "dns": ("refused",), "ping": ("prohibited", "unreachable"),
          "tls": ("reset", "closed", "refused", "unreachable"),
          "http": ("403", "reset", "closed", "refused", "unreachable"), "hold": ("refused", "unreachable", "reset"),
          "held": ("reset", "closed"), "many": ()}
# A refusal is prompt; everything else has the time that an emulated machine needs.
PROMPT, USUAL = 2.5, 12
EVENT_PATIENCE = 3


def equal_addresses(left, right):
    """Whether two texts are one address."""
    try:
        return ipaddress.ip_address(left) == ipaddress.ip_address(right)
    except ValueError:
        return left == right


class Talker:
    """A guest.py that runs somewhere."""

    def __init__(self, process):
        self._process = process
        line = process.stdout.readline()
        if not line:
            raise Failure("the program of the cases did not start")

    def ask(self, step):
        """What becomes of a step."""
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Failure("the program of the cases has ended")
        return json.loads(line)

    def close(self):
        """Ends it."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class LabClient:
    """The lab, as a program beside this one."""

    def __init__(self, options):
        self._process = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "lab.py"), *options],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise Failure("the lab did not start")
        self.facts = json.loads(line)

    def do(self, **words):
        """One of the lab's commands."""
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"done": false, "reason": "the lab has ended"}')
        if not answer["done"]:
            raise Failure(f"the lab: {answer['reason']}")
        return answer.get("output", "")

    def reached(self, since):
        """What reached the servers outside after the first lines of their logs, and where the logs end now."""
        lines, ends = [], []
        for path, start in zip((self.facts["log"], self.facts["packets"]), since):
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                file.seek(start)
                content = file.read()
                content = content[:content.rfind(b"\n") + 1]
                lines += [json.loads(line) for line in content.splitlines()]
                start += len(content)
            ends.append(start)
        return lines, ends

    @property
    def received_length(self):
        """How much the web server has written down so far."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.facts["received"])
        return 0

    def received(self, since):
        """What the web server wrote down after its first bytes."""
        with contextlib.suppress(FileNotFoundError), open(self.facts["received"], encoding="utf-8") as file:
            file.seek(since)
            return file.read()
        return ""

    def close(self):
        """Ends it, with all that belongs to it."""
        self._process.stdin.close()
        self._process.wait()


class Runner:
    """One file of cases."""

    def __init__(self, lab, table, product, values):
        self.lab, self.table, self.product, self.values = lab, table, product, values
        self.sandbox = None
        self._others = {}
        self._talkers = {}
        self._ends = [0, 0]
        self._received = 0

    def __enter__(self):
        host = self.lab.facts["host"]
        if self.product:
            authority = os.path.dirname(self.lab.facts["authority"])
            for words in self.table.get("before", ()):
                self.product.run(*words)
            table = self.filled({key: value for key, value in self.table.items() if key != "cases"})
            if "other" in table:
                self.other = self.product.create(table["other"], table.get("other_options", ()))
            self.sandbox = self.product.create(
                table.get("network"), [*table.get("options", ()), "-v", f"{authority}:/authority:ro"])
        guest = [sys.executable, "-B", "-u", os.path.join(HERE, "guest.py")]
        on_host = functools.partial(subprocess.Popen, [*host, *guest])
        self._start = {"sandbox": on_host, "other": on_host, "host": on_host}
        if self.product:
            self._start["sandbox"] = functools.partial(self._in, self.sandbox)
            self._start["other"] = functools.partial(self._in, getattr(self, "other", None))
        return self

    @staticmethod
    def _in(sandbox, **pipes):
        return sandbox.start("python3", "-B", "-u", f"{LAB_IN_GUEST}/guest.py", **pipes)

    def __exit__(self, *_):
        for talker in self._talkers.values():
            talker.close()
        if self.product:
            for sandbox in (self.sandbox, getattr(self, "other", None), *self._others.values()):
                if sandbox:
                    with contextlib.suppress(Failure, subprocess.TimeoutExpired):
                        sandbox.remove()
            for words in self.table.get("after", ()):
                self.product.run(*words, check=False)

    def talker(self, place):
        """Who carries out the steps of a place."""
        if place not in self._talkers:
            if place in self.table.get("sandboxes", ()):
                self._start[place] = functools.partial(self._in, self.box(place))
            self._talkers[place] = Talker(
                self._start[place](stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return self._talkers[place]

    def filled(self, step):
        """A step with its texts filled in."""
        text = json.dumps(step)
        if "{" not in text[1:]:
            return step
        on = step.get("on", "sandbox")
        box = self.box(on) if "command" in step and on in self.table.get("sandboxes", ()) else self.sandbox
        known = {"authority": self.lab.facts["authority"], "sandbox": getattr(box, "name", ""),
                 "id": getattr(box, "id", ""),
                 "other": getattr(getattr(self, "other", None), "name", "")}
        for name, value in known.items():
            text = text.replace(f"{{{name}}}", value)
        text = re.sub(r"\{placeholder:(\w+)\}", lambda match: self.sandbox.variable(match[1]), text)
        return json.loads(self.values.fill(text))

    # MARK: steps

    def box(self, place):
        """The sandbox of a place, made when there is none yet; the first one for places that are no sandbox."""
        if place not in self.table.get("sandboxes", ()):
            return self.sandbox
        if place not in self._others:
            self._others[place] = self.product.create(self.table["sandboxes"][place])
        return self._others[place]

    def is_judged(self, step):
        """Whether a step is tried in a sandbox whose events are looked at."""
        return step.get("on", "sandbox") in ("sandbox", *self.table.get("sandboxes", ()))

    def run(self, case):
        """Runs a case; what is wrong with it, in words."""
        # What ends a kept connection has happened before anybody looks at it.
        places = {step.get("on", "sandbox") for step in case.get("steps", [case])}
        self._known_at_begin = {place: len(self.box(place).log) if self.product else 0 for place in places}
        for step in case.get("steps", [case]):
            if wrong := self.run_step(step):
                return wrong
        return None

    def run_step(self, step):
        """Runs a step; what is wrong, in words."""
        step = self.filled(step)
        action = step["do"]
        self._received = self.lab.received_length
        if action == "policy":
            if self.product:
                self.sandbox.set_policy(step["network"])
            return None
        if action == "change":
            self.lab.do(change=step["name"], kind=step.get("kind", "A"), value=step["value"])
            return None
        if action == "wait":
            time.sleep(step["seconds"])
            return None
        if action in ("host", "outside"):
            self.lab.do(**{action: step["command"]})
            return None
        if action == "log":
            place = step.get("on", "sandbox")
            return self.wait_for_event(step["has"], self._known_at_begin[place], self.box(place))
        if action in ("renew", "forget"):
            getattr(self.values, action)(step["secret"], *([step["value"]] if "value" in step else []))
            return None
        if action == "sandpiper":
            words = step["command"]
            if words[0] in ENDING:
                for talker in self._talkers.values():
                    talker.close()
                self._talkers = {}
            begin = time.monotonic()
            status, output, error = self.product.run(*words, check=False)
            taken = round(time.monotonic() - begin, 3)
            answer = {"outcome": f"status {status}", "reply": output + error, "seconds": taken}
            return self.judge({**step, "within": step.get("within", 60)}, answer, 0)
        _, self._ends = self.lab.reached(self._ends)
        place = step.get("on", "sandbox")
        known = len(self.box(place).log) if self.product else 0
        asked = {name: value for name, value in step.items() if name not in EXPECTED}
        if not self.product:
            places = {f"{LAB_IN_GUEST}/": HERE + "/", "/authority/": os.path.dirname(self.lab.facts["authority"]) + "/"}
            for inside, outside in places.items():
                asked = json.loads(json.dumps(asked).replace(inside, outside))
        answer = self.talker(place).ask(asked)
        return self.judge(step, answer, self._known_at_begin[place] if action == "held" else known)

    def judge(self, step, answer, known):
        """What is wrong with the answer to a step."""
        outcome, expected, action = answer["outcome"], step["is"], step["do"]
        is_denied = expected == "denied"
        allowed = DENIED[action] if is_denied else expected if isinstance(expected, list) else [expected]
        seen = f"{outcome}, {answer['reply']!r}, after {answer['seconds']} s"
        box = self.box(step.get("on", "sandbox")) if self.product else None
        if outcome not in allowed:
            return f"expected {' or '.join(allowed)}, seen {seen}{self.explain(known, box)}"
        if answer["seconds"] > step.get("within", PROMPT if is_denied else USUAL):
            return f"took too long: {seen}"
        if answer["seconds"] < step.get("at_least", 0):
            return f"took too little time: {seen}"
        reply = json.dumps(answer["reply"]) if not isinstance(answer["reply"], str) else answer["reply"]
        for wanted in step.get("reply", []) if isinstance(step.get("reply"), list) else [step.get("reply", "")]:
            if wanted not in reply:
                return f"no {wanted!r} in {seen}"
        for unwanted in step.get("not_reply", []):
            if unwanted in reply:
                return f"{unwanted!r} in {seen}"
        if "lines" in step and len(reply.splitlines()) != step["lines"]:
            return f"not {step['lines']} lines: {seen}"
        if any(form.decode() in reply for value in self.values.all for form in forms(value)):
            return "the value of a secret is in the answer"
        if wrong := self.judge_received(step):
            return wrong
        if not step.get("reached", not is_denied or not self.is_judged(step)):
            if wrong := self.not_reached(step):
                return wrong
        event = step.get("event", {} if is_denied and self.is_judged(step) else None)
        if event is not None and self.product:
            return self.judge_event(step, event, known, box)
        return None

    def judge_received(self, step):
        """Whether the web server got what it should, and no value besides."""
        text = self.lab.received(self._received)
        wanted = step.get("received", [])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        for word in wanted:
            # As it is within a text of JSON.
            if json.dumps(word)[1:-1] not in text:
                return f"the server did not get {self.hidden(word)!r}, but {self.hidden(text[-600:])!r}"
        for word in step.get("not_received", []):
            if json.dumps(word)[1:-1] in text:
                return f"the server got {self.hidden(word)!r}"
        others = [*self.lab.reached([0, 0])[0], text] if self.values.all else []
        told = [form.decode() for value in self.values.all for form in forms(value)]
        allowed = "".join([*wanted, *step.get("may_get", [])])
        for value in told:
            if value not in allowed and any(value in str(other) for other in others):
                return "a server got the value of a secret that it was not to have"
        return None

    def hidden(self, text):
        """A text in which no value is."""
        for name, value in self.values.now.items():
            text = text.replace(value, f"(value of {name})")
        return text

    def not_reached(self, step):
        """Whether what was refused arrived all the same."""
        time.sleep(0.1)
        lines, self._ends = self.lab.reached(self._ends)
        for line in lines:
            # A connection whose client has to name its server is made outside, but nothing of the client's gets there.
            if step.get("content") and step["content"] not in line.get("content", ""):
                continue
            if line.get("address") and "to" in step and equal_addresses(line["address"], step["to"]) and (
                    line.get("port") in (None, step.get("port"))):
                return f"it reached {line}"
            if step["do"] == "dns" and (line.get("protocol") == "dns" or line.get("name") == step["name"]):
                return f"it reached {line}"
        return None

    def judge_event(self, step, event, known, box):
        """Whether the log tells of a refusal as it should."""
        if event is False:
            time.sleep(0.2)
            denials = [line for line in box.log[known:] if line.get("action") == "deny"]
            return f"an event of what was allowed: {denials[0]}" if denials else None
        protocols = {"tls": "tcp", "http": "tcp", "hold": "tcp", "held": "tcp", "ping": "icmp", "many": "tcp",
                     "command": "tcp"}
        wanted = {"action": "deny", "direction": "egress", "protocol": protocols.get(step["do"], step["do"])}
        if step["do"] == "dns":
            wanted["name"] = step["name"].lower()
        elif step["do"] != "held":
            with contextlib.suppress(ValueError):
                ipaddress.ip_address(step.get("to", ""))
                wanted["address"] = step["to"]
            if step.get("port"):
                wanted["port"] = step["port"]
        wanted.update(event)
        return self.wait_for_event(wanted, known, box)

    def wait_for_event(self, wanted, known, box):
        """Waits a while for an event that has what is wanted; what is wrong when there is none."""
        deadline = time.monotonic() + EVENT_PATIENCE
        while True:
            lines = box.log[known:]
            if any(self.fits(line, wanted) for line in lines):
                return None
            if time.monotonic() > deadline:
                return f"no event with {wanted}, there are {lines[-4:]}"
            time.sleep(0.05)

    @staticmethod
    def fits(line, wanted):
        """Whether an event has all that is wanted, and what each has."""
        if not all(line.get(key) for key in ("time", "id", "action")):
            return False
        for key, value in wanted.items():
            if value is None:
                continue
            found = line.get(key)
            if key == "address":
                if not found or not equal_addresses(found, value):
                    return False
            elif key == "rule":
                if value not in (found or ""):
                    return False
            elif value == "+":
                if not isinstance(found, int) or found <= 0:
                    return False
            elif found != value:
                return False
        return True

    def explain(self, known, box):
        """What the log says to an outcome that was not expected."""
        if not box:
            return ""
        time.sleep(0.2)
        lines = box.log[known:]
        return f"; events: {lines[-3:]}" if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executables")
    parser.add_argument("--home", help="one that has the image `network`")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--only", help="cases whose words hold this")
    parser.add_argument("--bytes", type=int, default=64 << 20, help="how many bytes large transfers have")
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    tables = []
    for path in arguments.files:
        with open(path, encoding="utf-8") as file:
            tables.append((os.path.basename(path), json.loads(file.read().replace("{bytes}", str(arguments.bytes)))))
    if arguments.count:
        print(sum(len(table["cases"]) for _, table in tables))
        return 0
    failed = 0
    for name, table in tables:
        failed += run_table(arguments, name, table)
    return 1 if failed else 0


def run_table(arguments, name, table):
    """Runs a file's cases; how many failed."""
    failed = 0
    lab = LabClient(table.get("lab", []))
    places = {"{folder}": lab.facts["folder"], "{home}": arguments.home or ""}
    for word, path in places.items():
        table = json.loads(json.dumps(table).replace(word, path))
    try:
        with tempfile.TemporaryDirectory(prefix="sandpiper-cases-") as folder:
            product, values = None, Values(folder, table.get("secrets", {}))
            if not arguments.bare:
                values.environment.update(table.get("environment", {}))
                product = Product(arguments.executables, arguments.home, lab.facts["host"], folder,
                                  environment=values.environment)
            with Runner(lab, table, product, values) as runner:
                for case in table["cases"]:
                    if arguments.only and arguments.only not in case["case"]:
                        continue
                    if arguments.bare and not case.get("bare", True):
                        continue
                    begin = time.monotonic()
                    try:
                        wrong = runner.run(case)
                    except (Failure, subprocess.TimeoutExpired) as error:
                        wrong = str(error)
                    failed += wrong is not None
                    said = {"file": name, "case": case["case"], "ok": wrong is None,
                            "seconds": round(time.monotonic() - begin, 2)}
                    print(json.dumps({**said, "wrong": wrong} if wrong else said), flush=True)
    except (Failure, subprocess.TimeoutExpired) as error:
        failed += 1
        print(json.dumps({"file": name, "case": table["title"], "ok": False, "wrong": str(error)}), flush=True)
    finally:
        lab.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
