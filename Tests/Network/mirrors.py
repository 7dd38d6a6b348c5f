"""Mirrors that package managers and git find outside: made here, of next to nothing, with Debian's own tools."""

import gzip
import hashlib
import os
import subprocess
import zipfile

from namespaces import run

_CONTROL = """Package: lab-hello
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.com>
Description: says hello
"""


class Mirrors:
    """`mirror.example.com/debian`, `pypi.example.com/simple`, `git.example.com/git` and `/smart`, and a WebSocket."""

    def __init__(self, networks, folder, web):
        self._networks, self._folder, self._root = networks, folder, web.root
        self._debian()
        self._python()
        self._git()
        self._files(web.files)
        networks.start(networks.outside_root, ["fcgiwrap", "-s", f"unix:{folder}/fcgi"], stderr=subprocess.DEVNULL)
        # Debian's own Python has Debian's own module.
        networks.start(networks.outside_root, ["/usr/bin/python3", "-B", os.path.join(os.path.dirname(
            os.path.abspath(__file__)), "web_socket.py")], stderr=subprocess.DEVNULL)

    def _debian(self):
        tree, archive = os.path.join(self._folder, "lab-hello"), os.path.join(self._root, "debian")
        for path in (f"{tree}/DEBIAN", f"{tree}/usr/bin", f"{tree}/usr/share/lab", f"{archive}/pool",
                     f"{archive}/dists/stable/main/binary-amd64"):
            os.makedirs(path)
        self._write(f"{tree}/DEBIAN/control", _CONTROL)
        self._write(f"{tree}/usr/bin/lab-hello", "#!/bin/sh\necho hello from a package\n", mode=0o755)
        with open(f"{tree}/usr/share/lab/data", "wb") as file:
            file.write(os.urandom(3 << 20))
        run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, f"{archive}/pool/lab-hello_1.0_all.deb"])
        listing = self._in(archive, "apt-ftparchive", "packages", "pool")
        binary = f"{archive}/dists/stable/main/binary-amd64"
        self._write(f"{binary}/Packages", listing)
        with gzip.open(f"{binary}/Packages.gz", "wb") as file:
            file.write(listing.encode())
        release = self._in(archive, "apt-ftparchive", "-o", "APT::FTPArchive::Release::Suite=stable", "-o",
                           "APT::FTPArchive::Release::Components=main", "-o",
                           "APT::FTPArchive::Release::Architectures=amd64", "release", "dists/stable")
        self._write(f"{archive}/dists/stable/Release", release)

    def _python(self):
        folder = os.path.join(self._root, "simple", "labwheel")
        os.makedirs(folder)
        name = "labwheel-1.0-py3-none-any.whl"
        information = "labwheel-1.0.dist-info"
        with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
            wheel.writestr("labwheel.py", "WORDS = 'hello from a wheel'\n")
            wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: labwheel\nVersion: 1.0\n")
            wheel.writestr(f"{information}/WHEEL",
                           "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{information}/RECORD", "")
        with open(os.path.join(folder, name), "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self._write(f"{folder}/index.html", f"<!DOCTYPE html><a href=\"{name}#sha256={digest}\">{name}</a>\n")

    def _git(self):
        bare, work = os.path.join(self._root, "git", "project.git"), os.path.join(self._folder, "project")
        os.makedirs(os.path.dirname(bare))
        git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "init.defaultBranch=main"]
        run([*git, "init", "--quiet", work])
        for number in range(20):
            self._write(f"{work}/file{number}", f"content {number}\n" * 500)
        with open(f"{work}/blob", "wb") as file:
            file.write(os.urandom(1 << 20))
        run([*git, "-C", work, "add", "."])
        run([*git, "-C", work, "commit", "--quiet", "-m", "a first commit"])
        run([*git, "clone", "--quiet", "--bare", work, bare])
        run([*git, "-C", bare, "config", "http.receivepack", "true"])
        run([*git, "-C", bare, "update-server-info"])

    def _files(self, folder):
        content = os.urandom(1 << 20)
        for name, count in (("small", 1), ("large", 6)):
            with open(os.path.join(folder, name), "wb") as file:
                for _ in range(count):
                    file.write(content)
            # Of all digests the one that an emulated processor is quickest with.
            digest = hashlib.md5(content * count, usedforsecurity=False).hexdigest()
            self._write(os.path.join(folder, name + ".md5"), f"{digest}  {name}\n")

    @staticmethod
    def _write(path, content, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, mode)

    @staticmethod
    def _in(folder, *command):
        return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=True).stdout
