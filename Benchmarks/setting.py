"""What every benchmark measures with: the executables, the images, a folder for what is written."""

import contextlib
import functools
import os
import signal
import subprocess
import tempfile

from large_images import LargeImages
from measure import Failure, output, seconds
from processes import processes_of


def sandboxes_in(home):
    """The ids of the sandboxes of which something is in a home."""
    ids = set()
    for folder in ("sandboxes", "run"):
        with contextlib.suppress(FileNotFoundError):
            ids.update(os.listdir(os.path.join(home, folder)))
    return sorted(ids)


class Setting:
    """One run of the benchmarks. All that is written is below `work`, which whoever made it removes."""

    def __init__(self, arguments, work):
        self.sandpiper = os.path.join(os.path.abspath(arguments.executables), "sandpiper")
        self.busybox = os.path.join(arguments.images, "busybox.tar")
        self.python = os.path.join(arguments.images, "python.tar")
        self.network = os.path.join(arguments.images, "network.tar")
        self.runs = arguments.runs
        self.warm_ups = arguments.warm_ups
        self.is_quick = arguments.quick
        self.import_runs = min(arguments.runs, 3)
        self.megabytes = arguments.megabytes
        self.sandboxes_in_a_row = arguments.sandboxes
        self.work = work
        self.home = os.path.join(work, "home")
        self.environment = self.at_home(self.home)
        self.docker = None

    @functools.cached_property
    def images(self):
        """The large images, made when a benchmark first asks for them."""
        return LargeImages(os.path.join(self.work, "images"), self.megabytes * 10**6)

    def at_home(self, home):
        """The environment of commands whose store is in the folder `home`."""
        return dict(os.environ, SANDPIPER_HOME=home, TMPDIR=self.work)

    def run(self, *arguments):
        """Our command line for a sandbox."""
        return [self.sandpiper, "run", *arguments]

    def create(self, image="busybox"):
        """Makes a sandbox that waits for commands; its id."""
        return output([self.sandpiper, "create", image], self.environment)

    def exec(self, sandbox, *arguments):
        """Our command line for a further process in a sandbox."""
        return [self.sandpiper, "exec", sandbox, "--", *arguments]

    def remove(self, sandbox):
        """Removes a sandbox, running or not."""
        output([self.sandpiper, "rm", "--force", sandbox], self.environment)

    @contextlib.contextmanager
    def sandbox(self):
        """The id of a running sandbox that goes when its user is done."""
        sandbox = self.create()
        try:
            yield sandbox
        finally:
            self.remove(sandbox)

    def require_nothing_left(self):
        """Fails when a sandbox or a process of one is still there."""
        left = [f"sandbox {name}" for name in sandboxes_in(self.home)]
        left += [f"process {process}" for process in processes_of(self.home)]
        if left:
            raise Failure(f"left behind: {', '.join(left[:5])}; {len(left)} in all")

    def clean_up(self):
        """Removes the sandboxes that an interruption left in any home."""
        for home in (entry.path for entry in os.scandir(self.work) if entry.is_dir()):
            if sandboxes := sandboxes_in(home):
                subprocess.run([self.sandpiper, "rm", "--force", *sandboxes], env=self.at_home(home),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            for process in processes_of(home):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def load(self, source, name):
        """Our command line for an import."""
        return [self.sandpiper, "load", "--name", name, source]

    @staticmethod
    def unpack(layout, bundle):
        """umoci's command line for the unpacking of a layout's image."""
        as_user = [] if os.geteuid() == 0 else ["--rootless"]
        return ["umoci", "unpack", *as_user, "--image", f"{layout}:latest", bundle]

    @contextlib.contextmanager
    def fresh_folder(self):
        """A folder that goes when its user is done, for a store or for what a peer writes."""
        with tempfile.TemporaryDirectory(dir=self.work, ignore_cleanup_errors=True) as folder:
            yield folder

    def load_seconds(self, source, name):
        """The time of an import into an empty store."""
        with self.fresh_folder() as home:
            return seconds(self.load(source, name), self.at_home(home))[0]

    def unpack_seconds(self, layout):
        """The time that `umoci unpack` takes for a layout's image."""
        with self.fresh_folder() as folder:
            return seconds(self.unpack(layout, f"{folder}/bundle"))[0]

    def prepare(self):
        """Loads the image, and pays for what is paid once per boot of the host."""
        for command in ([self.sandpiper, "load", self.busybox], self.run("busybox", "--", "true")):
            subprocess.run(command, env=self.environment, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
