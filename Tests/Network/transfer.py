#!/usr/bin/env python3
"""Moves bytes between a sandbox and the lab's server, one way, and compares digests.

    transfer.py get|put HOST PORT BYTES

Prints the bytes per second, or what is wrong.
"""

import hashlib
import socket
import sys
import time

BLOCK = bytes(range(256)) * 4096


def main():
    verb, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    # The fastest there is for an emulated processor; nobody here means harm.
    digest = hashlib.md5(usedforsecurity=False)
    with socket.create_connection((host, port), 60) as connection:
        connection.sendall(f"{verb} {count}\n".encode())
        begin, left, rest = time.monotonic(), count, b""
        while left > 0:
            if verb == "put":
                block = BLOCK[:min(left, len(BLOCK))]
                connection.sendall(block)
            else:
                block = connection.recv(1 << 20)
                if not block:
                    break
                block, rest = block[:left], block[left:]
            digest.update(block)
            left -= len(block)
        taken = time.monotonic() - begin
        told = (rest + connection.makefile("rb").read()).decode().strip()
        if left or told != digest.hexdigest():
            sys.exit(f"{count - left} of {count} bytes, digest {digest.hexdigest()}, where the server has {told!r}")
        print(f"whole: {count / taken / 1e6:.1f} MB/s")


if __name__ == "__main__":
    main()
