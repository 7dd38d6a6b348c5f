"""One file that is served by itself: one_file.py MOUNTED PLAIN"""
import errno, os, sys

mounted, plain = sys.argv[1:3]
with open(mounted, "r+b") as file:
    assert file.read() == b"content\n"
    file.write(b"more")
    file.flush()
    os.fsync(file.fileno())
    file.truncate(10)
with open(plain, "rb") as file:
    assert file.read() == b"content\nmo"
os.chmod(mounted, 0o600)
os.utime(mounted, (1, 2))
os.setxattr(mounted, "user.a", b"1")
status = os.stat(plain)
assert status.st_mode & 0o7777 == 0o600 and status.st_mtime == 2 and os.getxattr(mounted, "user.a") == b"1"
with open(mounted, "wb") as file:
    file.write(b"new")
assert os.stat(mounted).st_size == 3
try:
    os.open(mounted + "/x", os.O_CREAT | os.O_WRONLY)
    assert False
except OSError as error:
    assert error.errno == errno.ENOTDIR
