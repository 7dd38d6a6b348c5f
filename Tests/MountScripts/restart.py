"""A server that is replaced by one that goes on from its state: restart.py MOUNTED PLAIN SOCKET

What the programs in the guest have open goes on; what has been replaced meanwhile fails, and never shows another's data.
"""
import errno, mmap, os, socket, sys, threading, time

mounted, plain, control = sys.argv[1:4]
pump = socket.socket(socket.AF_UNIX)
pump.connect(control)


def order(text):
    pump.send(text.encode() + b"\n")
    answer = pump.recv(5000).decode().strip()
    assert answer.split()[0] in ("saved", "ready"), answer
    return answer


def fails(codes, function, *arguments):
    try:
        found = function(*arguments)
    except OSError as error:
        assert error.errno in codes, f"{errno.errorcode.get(error.errno)}"
        return
    assert False, f"it succeeded: {found!r}"


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)


def read(name):
    with open(name, "rb") as file:
        return file.read()


os.chdir(mounted)
for n in range(300):
    os.makedirs(f"d{n % 10}/e", exist_ok=True)
    write(f"d{n % 10}/e/f{n}", b"%d" % n)
write("kept", b"k" * 100_000)
write("moved", b"moved")
write("replaced", b"secret of the old file")
write("removed", b"removed")
write("unlinked", b"unlinked")
write("grown", b"small")
os.link("kept", "linked")
kept = os.open("kept", os.O_RDWR)
os.lseek(kept, 10, os.SEEK_SET)
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(log, b"one\n")
moved, replaced = os.open("moved", os.O_RDWR), os.open("replaced", os.O_RDWR)
removed, unlinked, grown = os.open("removed", os.O_RDONLY), os.open("unlinked", os.O_RDWR), os.open("grown", os.O_RDONLY)
assert os.pread(grown, 100, 0) == b"small"
os.unlink("unlinked")
inside = os.open("d3/e", os.O_RDONLY)
os.mkdir("many")
for n in range(3000):
    write(f"many/{n:04}", b"")
listing = os.scandir("many")
listed = [next(listing).name for _ in range(1500)]
mapping = mmap.mmap(kept, 100_000)
mapping[50_000:50_005] = b"dirty"

answer = order("save")
assert answer.startswith("saved ")
# While nobody serves: the host goes on.
os.rename(f"{plain}/moved", f"{plain}/d1/new-name")
os.unlink(f"{plain}/removed")
write(f"{plain}/other", b"data of another file")
os.rename(f"{plain}/other", f"{plain}/replaced")
write(f"{plain}/grown", b"larger than it was")
os.rename(f"{plain}/d2", f"{plain}/was-d2")
os.mkdir(f"{plain}/d2")
blocked = []
asker = threading.Thread(target=lambda: blocked.append(os.stat("d7/e/f7").st_size))
asker.start()
time.sleep(0.2)
assert order("start").startswith("ready")
asker.join()
assert blocked == [1]

assert os.read(kept, 5) == b"kkkkk" and os.pread(kept, 5, 50_000) == b"dirty" == mapping[50_000:50_005]
os.pwrite(kept, b"again", 0)
mapping.flush()
assert read(f"{plain}/kept")[:5] == b"again" and read(f"{plain}/linked")[50_000:50_005] == b"dirty"
os.write(log, b"two\n")
assert read(f"{plain}/log") == b"one\ntwo\n"
fails([errno.ESTALE], os.write, moved, b"x")
fails([errno.ESTALE], os.write, replaced, b"x")
fails([errno.ESTALE], os.pread, removed, 10, 100_000)
fails([errno.ESTALE], os.write, unlinked, b"x")
assert read(f"{plain}/replaced") == b"data of another file" == read("replaced")
assert read("d1/new-name") == b"moved"
fails([errno.ENOENT], os.stat, "removed")
assert os.pread(grown, 100, 0) == b"larger than it was" and os.fstat(grown).st_size == 18
assert len(os.listdir(inside)) == 30
assert os.stat("f3", dir_fd=inside).st_size == 1
assert os.listdir("d2") == [] and len(os.listdir("was-d2/e")) == 30
fails([errno.ENOENT], os.stat, "d2/e/f2")
listed += [entry.name for entry in listing]
assert sorted(listed) == [f"{n:04}" for n in range(3000)]
for descriptor in (kept, log, moved, replaced, removed, unlinked, grown, inside):
    os.close(descriptor)

# Many times in the middle of work.
stop = threading.Event()
wrong = []


def work(number):
    name, content, round = f"work{number}", b"", 0
    try:
        file = os.open(name, os.O_RDWR | os.O_CREAT)
        while not stop.is_set():
            data = b"%d %d\n" % (number, round) * (1 + round * 977 % 20_000)
            os.pwrite(file, data, 0)
            os.ftruncate(file, len(data))
            if os.pread(file, len(data) + 1, 0) != data:
                wrong.append(f"{name}: other data in round {round}")
            write(f"{name}.new", data)
            os.rename(f"{name}.new", f"{name}.now")
            if read(f"{name}.now") != data:
                wrong.append(f"{name}.now: other data in round {round}")
            round += 1
    except OSError as error:
        wrong.append(f"{name}: {error}")


workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for worker in workers:
    worker.start()
for _ in range(20):
    time.sleep(0.1)
    order("save")
    order("start")
stop.set()
for worker in workers:
    worker.join()
assert not wrong, wrong
