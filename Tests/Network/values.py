"""Values of secrets that only these tests and the servers outside may ever know."""

import base64
import os
import re
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def _random(count):
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _open_private(path, flags):
    return os.open(path, flags, 0o600)


class Values:
    """Random values by name: each in a `file`, or in a `variable` LAB_NAME of whoever starts a sandbox. All begin with
    `mark`, a text that is found nowhere else."""

    def __init__(self, folder, kinds):
        self.folder, self._kinds = folder, kinds
        self.mark = _random(14)
        self.environment, self.now, self.all = {}, {}, set()
        for name in kinds:
            self.renew(name)

    def path(self, name):
        """The file with a value."""
        return os.path.join(self.folder, f"value-{name}")

    def renew(self, name, value=None):
        """Another value from now on; random unless given. The last one is one that nobody must see all the same."""
        value = value if value is not None else self.mark + _random(26)
        if len(value) >= 16:
            self.all.add(value)
        self.now[name] = value
        if self._kinds[name] == "variable":
            self.environment[f"LAB_{name}"] = value
        else:
            with open(self.path(name), "w", encoding="utf-8", opener=_open_private) as file:
                file.write(value + "\n")

    def forget(self, name):
        """From now on there is none."""
        self.now.pop(name, None)
        if self._kinds[name] == "variable":
            self.environment.pop(f"LAB_{name}", None)
        else:
            os.unlink(self.path(name))

    def fill(self, text):
        """The text with `{value:NAME}`, `{file:NAME}` and `{base64:TEXT}` filled in."""
        text = re.sub(r"\{value:(\w+)\}", lambda match: self.now[match[1]], text)
        text = re.sub(r"\{file:(\w+)\}", lambda match: self.path(match[1]), text)
        return re.sub(r"\{base64:([^{}]*)\}", lambda match: base64.b64encode(match[1].encode()).decode(), text)


def forms(value):
    """What a value may look like in bytes: itself, and its middle in Base64 wherever that began."""
    plain = value.encode()
    found = {plain}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + plain)
        # Without what depends on what stands before it and after it.
        found.add(encoded[(0, 4, 4)[shift]:-4])
    return found
