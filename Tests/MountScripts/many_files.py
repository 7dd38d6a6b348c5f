"""Makes, lists and removes many files in a directory: many_files.py DIRECTORY COUNT"""
import os, sys, time

directory, count = sys.argv[1], int(sys.argv[2])
folder = os.path.join(directory, "many")
os.mkdir(folder)
start = time.monotonic()


def lap(what):
    global start
    now = time.monotonic()
    print(f"{what}: {count / (now - start):.0f} a second")
    start = time.monotonic()


for n in range(count):
    os.close(os.open(f"{folder}/{n}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
lap("made")
names = os.listdir(folder)
assert len(names) == count and set(names) == {str(n) for n in range(count)}
lap("listed")
assert sum(1 for entry in os.scandir(folder) if entry.stat().st_size == 0) == count
lap("looked at")
# Nothing that was there all the time is missing or twice in a list while others come and go.
found = []
with os.scandir(folder) as entries:
    for n, entry in enumerate(entries):
        found.append(entry.name)
        if n % 100 == 0 and n < 20_000:
            os.rename(f"{folder}/{n}", f"{folder}/renamed-{n}")
            open(f"{folder}/new-{n}", "w").close()
kept = [name for name in found if name.isdigit() and not (int(name) % 100 == 0 and int(name) < 20_000)]
assert len(kept) == len(set(kept)) == sum(1 for n in range(count) if not (n % 100 == 0 and n < 20_000))
start = time.monotonic()
for name in os.listdir(folder):
    os.unlink(f"{folder}/{name}")
lap("removed")
os.rmdir(folder)
