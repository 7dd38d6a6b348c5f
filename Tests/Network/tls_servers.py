"""Servers outside for interception: such that no client should trust, such that speak no HTTP under TLS, one that
writes down what it is asked."""

import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Registries"))
from certificates import CertificateAuthority  # noqa: E402 - beside this folder

from addresses import ECHO
from namespaces import run

RECORDER_PORT = 8766
# Of `echo.example.com` under TLS: echoes; speaks first, then echoes; openssl's own, which gives lines back reversed.
ECHO_PORT, SPEAK_PORT, REVERSE_PORT = 4433, 4434, 4435


def certificates(authority, folder):
    """Names, and for each a certificate and its key: of a name of another's, expired, its own, a stranger's."""
    stranger = CertificateAuthority(_folder(folder, "stranger"))
    yield "wrong.example.com", *authority.issue("wrong", hosts=("elsewhere.example.com",))
    yield "expired.example.com", *authority.issue("expired", hosts=("expired.example.com",), expired=True)
    yield "stranger.example.com", *stranger.issue("stranger", hosts=("stranger.example.com",))
    for name in ("self", "lax"):
        yield f"{name}.example.com", *_self_signed(_folder(folder, name), f"{name}.example.com")
    # Whose certificate is good; its client is to see it.
    yield "pinned.example.com", *authority.issue("pinned", hosts=("pinned.example.com",))


def _folder(folder, name):
    path = os.path.join(folder, f"of-{name}")
    os.makedirs(path)
    return path


def _self_signed(folder, name):
    certificate, key = os.path.join(folder, "own.pem"), os.path.join(folder, "own.key")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate])
    return certificate, key


class TLSServers:
    """Those that are not nginx, from their start on."""

    def __init__(self, networks, folder, web, huge):
        self.received = os.path.join(folder, "received")
        here = os.path.dirname(os.path.abspath(__file__))
        recorder = networks.start(
            networks.outside_root,
            [sys.executable, "-B", os.path.join(here, "recorder.py"), str(RECORDER_PORT), self.received],
            stdout=subprocess.PIPE)
        certificate, key = web.authority_of_all.issue("echo", hosts=("echo.example.com",))
        address, quiet = ECHO[0], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for port, then in ((ECHO_PORT, "PIPE"), (SPEAK_PORT, "SYSTEM:echo SSH-2.0-Lab; exec cat")):
            listen = (f"OPENSSL-LISTEN:{port},bind={address},fork,reuseaddr,backlog=128,cert={certificate},key={key},"
                      "verify=0")
            networks.start(networks.outside_root, ["socat", listen, then], **quiet)
        networks.start(networks.outside_root, ["openssl", "s_server", "-accept", f"{address}:{REVERSE_PORT}", "-cert",
                                               certificate, "-key", key, "-rev", "-quiet"], **quiet)
        self._huge(web.files, huge)
        if recorder.stdout.readline() != b"ready\n":
            raise RuntimeError("the recorder did not start")

    @staticmethod
    def _huge(folder, length):
        """A file of which no part is like another."""
        digest = hashlib.md5(usedforsecurity=False)
        with open(os.path.join(folder, "huge"), "wb") as file:
            block = os.urandom(1 << 20)
            for start in range(0, length, len(block)):
                block = start.to_bytes(8, "big") + block[8:length - start]
                digest.update(block)
                file.write(block)
        with open(os.path.join(folder, "huge.md5"), "w", encoding="utf-8") as file:
            file.write(f"{digest.hexdigest()}  huge\n")
