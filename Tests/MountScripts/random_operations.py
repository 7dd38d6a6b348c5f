"""Random operations on one file, each compared with what a model in memory says: random_operations.py FILE COUNT SEED

Reads, writes, appends, truncations, mappings, preallocation, holes, copies, and opening again, as fsx does.
"""
import ctypes, errno, mmap, os, random, sys

path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
most = 3 << 20
model = bytearray()
log = []
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(file, mode, offset, length):
    if libc.fallocate(file, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def opened():
    flags = chance.choice([os.O_RDWR, os.O_RDWR | os.O_SYNC, os.O_RDWR])
    return os.open(path, flags | os.O_CREAT, 0o600)


def place():
    """Most operations touch the first part of the file, so that they meet each other."""
    limit = most if chance.random() < 0.3 else max(len(model), 4096)
    offset = chance.randrange(limit)
    if chance.random() < 0.3:
        offset &= ~4095
    longest = chance.choice([16, 4096, 70_000, 600_000])
    return offset, min(1 + chance.randrange(longest), most - offset)


def put(offset, bytes):
    if offset > len(model):
        model.extend(bytes_of_zero(offset - len(model)))
    model[offset:offset + len(bytes)] = bytes


def bytes_of_zero(length):
    return b"\0" * length


def expect(offset, length, found, what):
    wanted = bytes(model[offset:offset + length])
    if found == wanted:
        return
    first = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
    print(f"seed {seed}: {what} at {offset}+{length}: {len(found)} bytes, not {len(wanted)}; first other byte at {offset + first}")
    print("\n".join(log[-30:]))
    sys.exit(1)


def main():
    file = opened()
    for step in range(count):
        kind = chance.choice(["read", "read", "write", "write", "append", "truncate", "map-read", "map-write", "reopen",
                              "punch", "allocate", "sync", "copy", "status", "zero"])
        offset, length = place()
        log.append(f"{step}: {kind} {offset} {length} of {len(model)}")
        if kind == "read":
            expect(offset, length, os.pread(file, length, offset), kind)
        elif kind == "write":
            data = chance.randbytes(length)
            done = 0
            while done < length:
                done += os.pwrite(file, data[done:], offset + done)
            put(offset, data)
        elif kind == "append":
            if len(model) + length > most:
                continue
            other = os.open(path, os.O_WRONLY | os.O_APPEND)
            data = chance.randbytes(length)
            done = 0
            while done < length:
                done += os.write(other, data[done:])
            os.close(other)
            put(len(model), data)
        elif kind == "truncate":
            size = chance.choice([offset, offset, 0, len(model)])
            os.ftruncate(file, size) if chance.random() < 0.5 else os.truncate(path, size)
            if size < len(model):
                del model[size:]
            else:
                model.extend(bytes_of_zero(size - len(model)))
        elif kind in ("map-read", "map-write") and model:
            offset %= len(model)
            length = min(length, len(model) - offset)
            start = offset & ~(mmap.ALLOCATIONGRANULARITY - 1)
            with mmap.mmap(file, offset + length - start, mmap.MAP_SHARED, offset=start) as mapped:
                if kind == "map-read":
                    expect(offset, length, mapped[offset - start:], kind)
                else:
                    data = chance.randbytes(length)
                    mapped[offset - start:] = data
                    put(offset, data)
                    if chance.random() < 0.5:
                        mapped.flush()
        elif kind == "reopen":
            os.close(file)
            file = opened()
        elif kind in ("punch", "zero"):
            try:
                fallocate(file, 3 if kind == "punch" else 0x11, offset, length)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                continue
            end = min(offset + length, len(model))
            if end > offset:
                model[offset:end] = bytes_of_zero(end - offset)
        elif kind == "allocate":
            try:
                fallocate(file, 0, offset, length)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                continue
            if offset + length > len(model):
                model.extend(bytes_of_zero(offset + length - len(model)))
        elif kind == "sync":
            chance.choice([os.fsync, os.fdatasync])(file)
        elif kind == "copy" and model:
            source = chance.randrange(len(model))
            length = min(length, len(model) - source)
            if not (source + length <= offset or offset + length <= source):
                continue
            done = 0
            while done < length:
                copied = os.copy_file_range(file, file, length - done, source + done, offset + done)
                if copied == 0:
                    break
                done += copied
            if done != length:
                print(f"seed {seed}: copied {done} of {length}")
                sys.exit(1)
            put(offset, bytes(model[source:source + length]))
        elif kind == "status":
            size = chance.choice([os.fstat(file).st_size, os.stat(path).st_size])
            if size != len(model):
                print(f"seed {seed}: size {size}, not {len(model)}")
                print("\n".join(log[-30:]))
                sys.exit(1)
    os.close(file)
    with open(path, "rb") as again:
        expect(0, most, again.read(), "all")


main()
