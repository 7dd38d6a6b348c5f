"""A directory of the host in a sandbox: one large file, and what is done with many small ones; docker does the same.

The same program runs on the sandbox's own disk as well, which tells what of a difference the mount costs, and what the
emulated processor does.
"""

import json
import os

from benchmark import OURS, Benchmark
from measure import alternating, output

OWN_DISK = "own disk of the sandbox"

# In whatever directory is given; prints how many seconds each step took.
PROGRAM = """
import json, os, sys, time
folder, mebibytes, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
taken = {}
def step(name, body):
    begin = time.monotonic(); body(); taken[name] = time.monotonic() - begin
def forget():
    # A guest may do that, a container may not: the host knows the files anyway.
    try: open('/proc/sys/vm/drop_caches', 'w').write('3')
    except OSError: pass
block = os.urandom(1 << 20)
def write():
    file = os.open('large', os.O_CREAT | os.O_WRONLY)
    for _ in range(mebibytes): os.write(file, block)
    os.close(file)
def read():
    file = os.open('large', os.O_RDONLY)
    total = 0
    while got := len(os.read(file, 1 << 20)): total += got
    assert total == mebibytes << 20, total
    os.close(file)
step('write', write); os.sync(); forget(); step('read', read); os.unlink('large')
names = [f'd{number % 20}/f{number}' for number in range(files)]
for number in range(20): os.mkdir(f'd{number}')
def create():
    for name in names:
        file = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY); os.write(file, b'x' * 100); os.close(file)
def walk():
    # What 'git status' does when nothing has changed.
    found = 0
    for folder, _, files in os.walk('.'): found += sum(os.lstat(os.path.join(folder, name)).st_size == 100 for name in files)
    assert found == len(names), found
def rename():
    for name in names: os.rename(name, name + '.new')
def unlink():
    for name in names: os.unlink(name + '.new')
step('create', create); forget(); step('walk', walk); step('rename', rename); step('unlink', unlink)
for number in range(20): os.rmdir(f'd{number}')
print(json.dumps(taken))
"""


def measure(setting):
    """Runs the program on a mount, on the sandbox's own disk, and on a bind mount of docker's."""
    mebibytes, files = (8, 200) if setting.is_quick else (128, 2000)
    output([setting.sandpiper, "load", setting.python], setting.environment)
    python = ["python", "python3", "-c", PROGRAM]
    sizes = [str(mebibytes), str(files)]
    with setting.fresh_folder() as folder:
        def at(command, place, name):
            mounted = os.path.join(folder, name)
            os.makedirs(mounted, exist_ok=True)
            run = [*command, "-v", f"{mounted}:/mounted", *python, place, *sizes]
            return lambda: json.loads(output(run, setting.environment))

        contenders = {OURS: at(setting.run(), "/mounted", "ours"), OWN_DISK: at(setting.run(), "/var/tmp/own", "none")}
        if setting.docker is not None:
            setting.docker.load(setting.python)
            contenders["docker run -v"] = at(setting.docker.command("run", "--rm", "--network=none"), "/mounted", "docker")
        samples = alternating(contenders, min(setting.runs, 5), warm_ups=1)
    for step, amount, unit in [("write", mebibytes, "MiB/s"), ("read", mebibytes, "MiB/s"),
                               *((step, files, "files/s") for step in ("create", "walk", "rename", "unlink"))]:
        benchmark = Benchmark(f"mount-{step}", unit, larger_is_better=True)
        for who, times in samples.items():
            benchmark.add(who, [amount / taken[step] for taken in times])
        yield benchmark
    setting.require_nothing_left()
