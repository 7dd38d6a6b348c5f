"""What programs rely on in a directory, one thing after the other: behaviour.py MOUNTED PLAIN

MOUNTED shows what is in PLAIN, through the mount. Prints each thing that is not as it should be; ends with 1 then.
"""
import ctypes, errno, fcntl, mmap, os, select, socket, stat, struct, subprocess, sys, threading, time

mounted, plain = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
checks = []


def check(function):
    checks.append(function)
    return function


def fails(code, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except OSError as error:
        assert error.errno == code, f"{errno.errorcode.get(error.errno)}, not {errno.errorcode[code]}"
        return
    assert False, f"it succeeded, where {errno.errorcode[code]} should come"


def write(name, content=b""):
    with open(name, "wb") as file:
        file.write(content)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def rename2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


@check
def unlinked_files_stay_usable():
    write("a", b"content")
    file = os.open("a", os.O_RDWR)
    os.unlink("a")
    assert os.fstat(file).st_nlink == 0
    assert os.pread(file, 100, 0) == b"content"
    os.pwrite(file, b"more", 7)
    os.ftruncate(file, 9)
    os.fchmod(file, 0o640)
    os.utime(file, (5, 6))
    os.fsync(file)
    status = os.fstat(file)
    assert (status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime) == (9, 0o640, 6), status
    os.setxattr(file, "user.k", b"v")
    assert os.getxattr(file, "user.k") == b"v"
    write("a", b"another")
    assert os.pread(file, 100, 0) == b"contentmo"
    os.close(file)


@check
def renaming_over_an_open_file_keeps_both():
    write("old", b"old")
    write("new", b"new")
    old, new = os.open("old", os.O_RDWR), os.open("new", os.O_RDWR)
    os.rename("new", "old")
    assert os.pread(old, 9, 0) == b"old" and os.pread(new, 9, 0) == b"new" and read("old") == b"new"
    os.pwrite(new, b"NEW", 0)
    assert read("old") == b"NEW" and os.pread(old, 9, 0) == b"old"
    assert os.stat("old").st_ino == os.fstat(new).st_ino != os.fstat(old).st_ino
    fails(errno.ENOENT, os.stat, "new")
    os.close(old), os.close(new)


@check
def renames_with_flags():
    write("a", b"a")
    write("b", b"b")
    os.mkdir("d")
    write("d/in", b"in")
    fails(errno.EEXIST, rename2, "a", "b", 1)
    rename2("a", "b", 2)
    assert read("a") == b"b" and read("b") == b"a"
    rename2("a", "d", 2)
    assert read("a/in") == b"in" and read("d") == b"b"
    rename2("a", "e", 1)
    assert read("e/in") == b"in"
    fails(errno.EINVAL, os.rename, "e", "e/in-itself")
    os.mkdir("f")
    os.rename("f", "e/f")
    fails(errno.ENOTEMPTY, os.rmdir, "e")
    os.chdir("e/f")
    os.rename("../../e", "../../g")
    write("here", b"x")
    os.chdir("../..")
    assert read("g/f/here") == b"x"


@check
def appends_go_to_the_end():
    one, other = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.open("log", os.O_WRONLY | os.O_APPEND)
    for n in range(50):
        os.write(one, b"1\n")
        os.write(other, b"2\n")
    assert read("log") == b"1\n2\n" * 50
    with open(f"{plain}/log", "ab") as host:
        host.write(b"host\n")
    os.write(one, b"after\n")
    assert read(f"{plain}/log") == b"1\n2\n" * 50 + b"host\nafter\n"
    flags = fcntl.fcntl(one, fcntl.F_GETFL)
    fcntl.fcntl(one, fcntl.F_SETFL, flags & ~os.O_APPEND)
    os.pwrite(one, b"X", 0)
    assert read(f"{plain}/log").startswith(b"X\n2")
    os.close(one), os.close(other)


@check
def mappings_are_shared():
    write("m", b"\0" * 20_000)
    file, append = os.open("m", os.O_RDWR), os.open("m", os.O_RDWR | os.O_APPEND)
    with mmap.mmap(file, 20_000) as one, mmap.mmap(append, 20_000) as other:
        one[5000:5005] = b"hello"
        assert other[5000:5005] == b"hello" and os.pread(append, 5, 5000) == b"hello"
        os.pwrite(file, b"world", 9000)
        assert one[9000:9005] == other[9000:9005] == b"world"
        other[15_000:15_003] = b"end"
        one.flush()
    assert read(f"{plain}/m")[15_000:15_003] == b"end" and os.stat("m").st_size == 20_000
    os.close(file), os.close(append)


@check
def hard_links_are_one_file():
    write("one", b"1")
    os.link("one", "two")
    assert os.stat("one").st_nlink == 2 and os.path.samefile("one", "two")
    with open("two", "ab") as two:
        two.write(b"2")
    assert read("one") == b"12" and os.stat("one").st_size == 2
    os.unlink("one")
    assert os.stat("two").st_nlink == 1 and read("two") == b"12"
    os.mkdir("d")
    fails(errno.EPERM, os.link, "d", "e")
    os.link("two", "d/three")
    os.rename("two", "d/three")
    assert read("two") == read("d/three") == b"12"
    fails(errno.EEXIST, os.link, "two", "d/three")
    os.symlink("two", "s")
    os.link("s", "t", follow_symlinks=False)
    assert os.readlink("t") == "two"


@check
def symbolic_links_are_text():
    for target in ("x", "/absolute/path", "../../../..", "a" * 4000):
        os.symlink(target, "link")
        assert os.readlink("link") == target and os.lstat("link").st_size == len(target)
        os.unlink("link")
    os.symlink("loop", "loop")
    fails(errno.ELOOP, open, "loop")
    write("file", b"f")
    os.symlink("file", "l")
    assert read("l") == b"f"
    os.utime("l", (1, 2), follow_symlinks=False)
    assert os.lstat("l").st_mtime == 2 and os.stat("file").st_mtime != 2


@check
def opening_follows_its_flags():
    write("f", b"content")
    fails(errno.EEXIST, os.open, "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
    assert os.stat("f").st_size == 0 and read("f") == b""
    write("f", b"content")
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY))
    assert read("f") == b"content"
    os.symlink("nothing", "dangling")
    fails(errno.EEXIST, os.open, "dangling", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.close(os.open("dangling", os.O_CREAT | os.O_WRONLY))
    assert os.path.exists("nothing")
    fails(errno.EISDIR, os.open, ".", os.O_WRONLY)
    fails(errno.ENOTDIR, os.open, "f", os.O_RDONLY | os.O_DIRECTORY)
    fails(errno.ENOTDIR, os.stat, "f/x")
    file = os.open("f", os.O_RDONLY)
    fails(errno.EBADF, os.write, file, b"x")
    os.close(file)
    fails(errno.ENAMETOOLONG, open, "n" * 256, "w")
    write("n" * 255, b"")
    descriptor = os.open("f", os.O_RDWR | getattr(os, "O_DIRECT"))
    with mmap.mmap(-1, 8192) as page:
        page[:7] = b"direct!"
        assert os.pwritev(descriptor, [memoryview(page)[:4096]], 0) == 4096
    os.close(descriptor)
    assert read("f")[:7] == b"direct!" and os.stat("f").st_size == 4096


@check
def modes_and_umasks():
    old = os.umask(0o027)
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o666))
    os.mkdir("d", 0o777)
    os.mkfifo("p", 0o666)
    os.umask(old)
    assert [stat.S_IMODE(os.stat(name).st_mode) for name in "fdp"] == [0o640, 0o750, 0o640]
    assert stat.S_ISFIFO(os.stat("p").st_mode)
    os.chmod("f", 0o4755)
    assert stat.S_IMODE(os.stat(f"{plain}/f").st_mode) == 0o755, "a set-id bit came to the host"
    os.close(os.open("g", os.O_CREAT | os.O_WRONLY, 0o6755))
    assert stat.S_IMODE(os.stat(f"{plain}/g").st_mode) & 0o6000 == 0, "a set-id bit came to the host"
    os.chmod("d", 0o2770)
    assert stat.S_IMODE(os.stat("d").st_mode) == 0o2770
    fails(errno.EPERM, os.mknod, "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    fails(errno.EPERM, os.mknod, "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    os.mknod("regular", stat.S_IFREG | 0o600)
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    assert stat.S_ISSOCK(os.stat("socket").st_mode)
    client.close(), server.close()


@check
def fifos_join_processes():
    os.mkfifo("p")
    writer = threading.Thread(target=lambda: write("p", b"through"))
    writer.start()
    assert read("p") == b"through"
    writer.join()


def as_user(user, function, *arguments):
    """What comes of a call as another user: 0 or the error's number."""
    child = os.fork()
    if child == 0:
        os.setgroups([]), os.setgid(user), os.setuid(user)
        try:
            function(*arguments)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@check
def permissions_hold_for_others():
    os.chmod(".", 0o755)
    write("secret", b"s")
    os.chmod("secret", 0o600)
    write("open", b"o")
    os.chmod("open", 0o644)
    os.mkdir("closed", 0o700)
    write("closed/f", b"")
    os.mkdir("drop")
    os.chmod("drop", 0o1777)
    write("drop/mine", b"")
    assert as_user(1234, read, "secret") == errno.EACCES
    assert as_user(1234, read, "open") == 0
    assert as_user(1234, write, "open") == errno.EACCES
    assert as_user(1234, read, "closed/f") == errno.EACCES
    assert as_user(1234, write, "new") == errno.EACCES
    assert as_user(1234, os.unlink, "drop/mine") in (errno.EPERM, errno.EACCES)
    assert as_user(1234, write, "drop/theirs") == 0
    assert as_user(1234, os.chmod, "open", 0o777) == errno.EPERM
    assert as_user(1234, os.access, "secret", os.R_OK) == 0 and os.access("open", os.R_OK) and not os.access("open", os.X_OK)
    write("run", b"#!/bin/sh\nexit 7\n")
    fails(errno.EACCES, subprocess.call, ["./run"])
    os.chmod("run", 0o755)
    assert subprocess.call(["./run"]) == 7


@check
def times_are_kept():
    write("f")
    os.utime("f", ns=(1_000_000_000_123_456_789, -5_000_000_001))
    status = os.stat("f")
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_000_000_000_123_456_789, -5_000_000_001), status
    before = time.time() - 2
    os.utime("f")
    assert before < os.stat("f").st_mtime < time.time() + 2
    os.utime("f", (1, 1))
    write("f", b"x")
    assert os.stat("f").st_mtime > before
    os.mkdir("d")
    os.utime("d", (1, 1))
    write("d/x")
    assert os.stat("d").st_mtime > before


@check
def extended_attributes():
    write("f")
    os.mkdir("d")
    for name in ("f", "d"):
        os.setxattr(name, "user.a", b"1")
        os.setxattr(name, "user.b", b"x" * 1000)
        fails(errno.EEXIST, os.setxattr, name, "user.a", b"2", os.XATTR_CREATE)
        fails(errno.ENODATA, os.setxattr, name, "user.c", b"2", os.XATTR_REPLACE)
        assert sorted(os.listxattr(name)) == ["user.a", "user.b"] and os.getxattr(name, "user.b") == b"x" * 1000
        os.removexattr(name, "user.a")
        fails(errno.ENODATA, os.getxattr, name, "user.a")
        fails(errno.EOPNOTSUPP, os.setxattr, name, "trusted.a", b"1")
        fails(errno.EOPNOTSUPP, os.setxattr, name, "security.mine", b"1")


@check
def holes_are_found():
    with open("sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"data")
    file = os.open("sparse", os.O_RDWR)
    assert os.lseek(file, 0, os.SEEK_DATA) == 1 << 20 and os.lseek(file, 0, os.SEEK_HOLE) == 0
    fails(errno.ENXIO, os.lseek, file, 2 << 20, os.SEEK_DATA)
    assert os.stat("sparse").st_blocks < 100
    os.posix_fallocate(file, 0, 1 << 18)
    assert os.stat("sparse").st_blocks >= 512 and os.stat("sparse").st_size == (1 << 20) + 4
    os.close(file)


@check
def changes_are_watched():
    """inotify sees what happens through the mount."""
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, b".", 0xfff) > 0
    write("f", b"x")
    os.rename("f", "g")
    os.unlink("g")
    os.mkdir("d")
    seen, data = 0, os.read(watch, 65536)
    while data:
        _, mask, _, length = struct.unpack_from("iIII", data)
        seen |= mask
        data = data[16 + length:]
    for event in (0x100, 0x2, 0x8, 0x40, 0x80, 0x200):  # created, modified, closed, moved from, moved to, deleted
        assert seen & event, hex(event)
    os.close(watch)


@check
def locks_hold_among_processes():
    write("lock")
    file = os.open("lock", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    code = "import fcntl, os\nf = os.open('lock', os.O_RDWR)\ntry: fcntl.{}; print('got')\nexcept OSError: print('busy')"
    other = lambda call: subprocess.check_output([sys.executable, "-c", code.format(call)], text=True).strip()
    assert other("flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)") == "busy"
    fcntl.flock(file, fcntl.LOCK_UN)
    assert other("flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)") == "got"
    fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
    assert other("lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 14)") == "busy"
    assert other("lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 15)") == "got"
    os.close(file)


@check
def what_the_host_does_is_seen():
    write("f", b"old")
    assert read("f") == b"old"
    write(f"{plain}/host", b"by the host")
    assert read("host") == b"by the host"
    with open(f"{plain}/f", "wb") as file:
        file.write(b"changed by the host")
    time.sleep(1.3)
    assert read("f") == b"changed by the host" and os.stat("f").st_size == 19
    write(f"{plain}/other", b"another file")
    os.rename(f"{plain}/other", f"{plain}/f")
    assert read("f") == b"another file"
    os.unlink(f"{plain}/f")
    fails(errno.ENOENT, open, "f")
    os.mkdir("d")
    os.mkdir("d/e")
    write("d/e/x", b"x")
    os.rename(f"{plain}/d", f"{plain}/moved")
    time.sleep(1.3)
    fails(errno.ENOENT, os.stat, "d/e/x")
    assert read("moved/e/x") == b"x"


@check
def deep_directories():
    start = os.getcwd()
    for n in range(300):
        os.mkdir("a long name of a directory")
        os.chdir("a long name of a directory")
    write("f", b"deep")
    assert read("f") == b"deep" and os.listdir(".") == ["f"]
    os.chdir(start)
    subprocess.check_call(["rm", "-r", "a long name of a directory"])


@check
def directories():
    os.mkdir("d")
    fails(errno.EEXIST, os.mkdir, "d")
    fails(errno.EISDIR, os.unlink, "d")
    write("d/f")
    fails(errno.ENOTEMPTY, os.rmdir, "d")
    fails(errno.ENOTDIR, os.rmdir, "d/f")
    os.unlink("d/f")
    descriptor = os.open("d", os.O_RDONLY)
    os.fsync(descriptor)
    os.rmdir("d")
    assert os.listdir(descriptor) == []
    os.close(descriptor)
    links = os.stat(".").st_nlink
    os.mkdir("e")
    assert os.stat(".").st_nlink in (links, links + 1)
    assert sorted(os.listdir("/proc/self/cwd")) == ["e"]
    assert os.stat("..").st_ino == os.stat(os.path.dirname(os.getcwd())).st_ino


@check
def copies_of_ranges():
    data = os.urandom(3_000_000)
    write("from", data)
    source, target = os.open("from", os.O_RDONLY), os.open("to", os.O_RDWR | os.O_CREAT)
    done = 0
    while done < len(data):
        done += os.copy_file_range(source, target, len(data) - done)
    assert read("to") == data
    subprocess.check_call(["cp", "-a", "from", "cp"])
    assert read("cp") == data and os.stat("cp").st_mtime_ns == os.stat("from").st_mtime_ns
    os.close(source), os.close(target)


@check
def file_systems_have_sizes():
    status, host = os.statvfs("."), os.statvfs(plain)
    assert status.f_blocks * status.f_frsize == host.f_blocks * host.f_frsize and status.f_namemax == 255


@check
def temporary_files_without_names():
    import tempfile
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"x" * 100_000)
        file.seek(0)
        assert len(file.read()) == 100_000


failed = 0
for index, function in enumerate(checks):
    folder = f"{index}-{function.__name__}"
    os.mkdir(f"{mounted}/{folder}")
    os.chdir(f"{mounted}/{folder}")
    base, plain = plain, f"{plain}/{folder}"
    try:
        function()
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        line = error.__traceback__
        while line.tb_next and line.tb_next.tb_frame.f_code.co_filename == __file__:
            line = line.tb_next
        print(f"{function.__name__}, line {line.tb_lineno}: {type(error).__name__} {error}")
        failed += 1
    plain = base
    os.chdir("/")
sys.exit(1 if failed else 0)
