"""Races of names that try to lead out of what is served: escape.py MOUNTED PLAIN OUTSIDE SECONDS

In the guest and on the host, files, directories and symbolic links that point outside take each other's places all the
time, while readers and writers use them. Nothing outside may be read, made, changed or removed.
"""
import os, random, shutil, sys, threading, time

mounted, plain, outside, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
secret = b"secret of the host"
os.makedirs(f"{outside}/d/d", exist_ok=True)
for name in ("f", "d/f", "d/d/f"):
    with open(f"{outside}/{name}", "wb") as file:
        file.write(secret)
    os.chmod(f"{outside}/{name}", 0o644)


def snapshot():
    found = {}
    for folder, folders, files in os.walk(outside):
        for name in folders + files:
            path = f"{folder}/{name}"
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, status.st_nlink,
                           os.listxattr(path), open(path, "rb").read() if name in files else None)
    return found


before = snapshot()
end = time.monotonic() + seconds
wrong = []
counts = {}


def swap(base, seed):
    """Makes `x` now a directory with files, now a link outside, now a file."""
    chance = random.Random(seed)
    depth = os.path.relpath(outside, base)
    while time.monotonic() < end:
        kind = chance.randrange(5)
        name = f"{base}/new-{seed}"
        try:
            if kind == 0:
                os.makedirs(f"{name}/d")
                for file in ("f", "d/f"):
                    with open(f"{name}/{file}", "wb") as opened:
                        opened.write(b"inside")
            elif kind == 1:
                os.symlink(outside, name)
            elif kind == 2:
                os.symlink(chance.choice([depth, "..", "/", "../" * 20 + outside[1:]]), name)
            elif kind == 3:
                os.symlink(f"{outside}/d", name)
            else:
                with open(name, "wb") as opened:
                    opened.write(b"inside")
            target = f"{base}/{chance.choice(['x', 'y', 'z/x'])}"
            try:
                os.rename(name, target)
            except OSError:
                shutil.rmtree(target, ignore_errors=True) if os.path.isdir(target) and not os.path.islink(target) else os.unlink(target)
                os.rename(name, target)
            if chance.random() < 0.2:
                os.rename(f"{base}/x", f"{base}/z/y")
                os.rename(f"{base}/z/y", f"{base}/y")
        except OSError:
            pass
        finally:
            try:
                os.unlink(name)
            except OSError:
                shutil.rmtree(name, ignore_errors=True)


def use(seed):
    """Uses names in the mount by descriptors of directories, so that only the server resolves them; a link's text is for
    the guest, which would follow it in its own tree, so nothing here follows one."""
    chance = random.Random(seed)
    done = 0
    while time.monotonic() < end:
        name = chance.choice(["x", "y", "z/x", "x/f", "y/f", "x/d/f", "z/x/f", "x/d", "y/d"])
        path = f"{mounted}/{name}"
        try:
            kind = chance.randrange(9)
            # Directories on the way are opened one by one without following.
            parent = os.open(mounted, os.O_RDONLY | os.O_DIRECTORY)
            try:
                *folders, last = name.split("/")
                for folder in folders:
                    inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                    os.close(parent)
                    parent = inner
                if kind < 3:
                    file = os.open(last, os.O_RDWR | os.O_NOFOLLOW, dir_fd=parent)
                    if secret in os.read(file, 100):
                        wrong.append(f"read through {name}")
                    os.pwrite(file, b"INSIDE", 0)
                    os.close(file)
                elif kind == 3:
                    os.close(os.open(last, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, dir_fd=parent))
                elif kind == 4:
                    os.unlink(last, dir_fd=parent)
                elif kind == 5:
                    os.chmod(last, 0o600, dir_fd=parent) if os.chmod in os.supports_follow_symlinks else None
                    os.utime(last, (1, 1), dir_fd=parent, follow_symlinks=False)
                elif kind == 6:
                    os.mkdir(f"{last}-made", dir_fd=parent)
                    os.rmdir(f"{last}-made", dir_fd=parent)
                elif kind == 7:
                    os.link(last, f"{last}-link", src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
                    os.unlink(f"{last}-link", dir_fd=parent)
                else:
                    names = os.listdir(parent)
                    if "d" in names and len(names) > 50:
                        wrong.append(f"listed {names}")
            finally:
                os.close(parent)
            done += 1
        except OSError:
            pass
    counts[seed] = done


os.makedirs(f"{plain}/z", exist_ok=True)
threads = [threading.Thread(target=swap, args=(plain, 1)), threading.Thread(target=swap, args=(mounted, 2)),
           threading.Thread(target=swap, args=(plain, 3))]
threads += [threading.Thread(target=use, args=(seed,)) for seed in range(10, 14)]
processes = []
for group in (threads[:2], threads[2:5], threads[5:]):
    child = os.fork()
    if child == 0:
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()
        print(f"{sum(counts.values())} uses")
        for line in wrong[:20]:
            print(line)
        sys.stdout.flush()
        os._exit(1 if wrong else 0)
    processes.append(child)
failed = any([os.waitpid(child, 0)[1] != 0 for child in processes])
after = snapshot()
if after != before:
    print(f"outside has changed: {[path for path in after.keys() | before.keys() if after.get(path) != before.get(path)]}")
    failed = True
sys.exit(1 if failed else 0)
