"""A tree with a size limit of 16 MiB: space.py MOUNTED PLAIN"""
import errno, os, subprocess, sys

mounted, plain = sys.argv[1:3]
limit = 16 << 20


def fails(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        return
    assert False, "it succeeded, where ENOSPC should come"


def used():
    return sum(os.lstat(f"{folder}/{name}").st_blocks * 512 for folder, folders, files in os.walk(plain) for name in folders + files)


def fill(name):
    with open(name, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 100_000)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error


os.chdir(mounted)
status = os.statvfs(".")
assert status.f_blocks * status.f_frsize == limit, status
assert (status.f_bavail * status.f_frsize) < limit - (1 << 20), "what was there before is not counted"
for round in range(3):
    fill("big")
    assert limit - (1 << 19) < used() <= limit + (1 << 16), used()
    # What is there can be replaced.
    file = os.open("big", os.O_RDWR)
    assert os.pwrite(file, b"y" * 50_000, 4096) == 50_000
    fails(os.posix_fallocate, file, 0, 32 << 20)
    os.ftruncate(file, 0)
    os.posix_fallocate(file, 0, 8 << 20)
    fails(os.posix_fallocate, file, 0, 20 << 20)
    os.close(file)
    file = os.open("big", os.O_RDONLY)
    os.unlink("big")
    other = os.open("other", os.O_WRONLY | os.O_CREAT)
    os.truncate("other", 1 << 30)
    os.close(other)
    assert os.stat("other").st_blocks == 0
    os.unlink("other")
    os.close(file)
os.sync()
assert used() < 2 << 20, used()
names = 0
try:
    os.mkdir("names")
    while names < 60_000:
        os.close(os.open(f"names/{names}", os.O_CREAT | os.O_WRONLY))
        names += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert 10_000 < names < 40_000, names
subprocess.check_call(["rm", "-r", "names"])
fill("again")
assert os.stat("again").st_size > 13 << 20, os.stat("again").st_size
os.truncate("again", 1000)
os.rename("before", "again")
with open("source", "wb") as file:
    file.write(b"z" * (6 << 20))
source, target = os.open("source", os.O_RDONLY), os.open("target", os.O_WRONLY | os.O_CREAT)
copied = os.copy_file_range(source, target, 6 << 20, 0, 0)
try:
    for n in range(1, 10):
        copied += os.copy_file_range(source, target, 6 << 20, 0, n * (6 << 20))
    assert False, "copies go beyond the limit"
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert used() <= limit + (1 << 16), used()
