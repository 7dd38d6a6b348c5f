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
    digest = hashlib.sha256()
    with socket.create_connection((host, port), 60) as connection:
        connection.sendall(f"{verb} {count}\n".encode())
        begin, left = time.monotonic(), count
        if verb == "put":
            while left > 0:
                block = BLOCK[:min(left, len(BLOCK))]
                connection.sendall(block)
                digest.update(block)
                left -= len(block)
            told = connection.makefile("rb").readline().decode().strip()
            expected = digest.hexdigest()
        else:
            while left > 0 and (block := connection.recv(1 << 20)):
                digest.update(block)
                left -= len(block)
            if connection.recv(1):
                sys.exit("more came than was asked for")
            told = digest.hexdigest()
            pattern, whole = hashlib.sha256(), bytes(range(256)) * 256
            for start in range(0, count, len(whole)):
                pattern.update(whole[:min(len(whole), count - start)])
            expected = pattern.hexdigest()
        if left or told != expected:
            sys.exit(f"{count - left} of {count} bytes, digest {told}, expected {expected}")
        print(f"whole: {count / (time.monotonic() - begin) / 1e6:.1f} MB/s")


if __name__ == "__main__":
    main()
