"""A tree that is served for reading only, in a mount that would allow more: read_only.py MOUNTED"""
import errno, os, sys

os.chdir(sys.argv[1])


def fails(function, *arguments, code=errno.EROFS):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == code, error
        return
    assert False, "it succeeded"


with open("f") as file:
    assert file.read() == "content\n"
assert sorted(os.listdir(".")) == ["d", "f", "l"] and os.readlink("l") == "f" and os.stat("d/g").st_size == 2
fails(os.open, "f", os.O_WRONLY)
fails(os.open, "f", os.O_RDONLY | os.O_TRUNC)
fails(os.open, "new", os.O_CREAT | os.O_WRONLY)
fails(os.mkdir, "new")
fails(os.unlink, "f")
fails(os.rmdir, "d")
fails(os.rename, "f", "g")
fails(os.link, "f", "g")
fails(os.symlink, "f", "g")
fails(os.mkfifo, "p")
fails(os.chmod, "f", 0o600)
fails(os.chown, "f", 0, 0)
fails(os.truncate, "f", 1)
fails(os.utime, "f")
fails(os.setxattr, "f", "user.a", b"1")
fails(os.removexattr, "f", "user.a")
