"""Much memory that nobody could guess, each block verified by its digest, and some of it changed with every look.

The digest is MD5, in an emulated machine 17 times as fast as SHA-256: nobody means to deceive here.
"""

import hashlib
import mmap
import os

from workload import Requests, expect, size

BLOCK, PARTS, PAGE = 1 << 20, 5, 4096
blocks = size("MEGABYTES", 300)
requests = Requests()
memory = mmap.mmap(-1, blocks * BLOCK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
digests = []


def digest(block):
    with memoryview(memory)[block * BLOCK:(block + 1) * BLOCK] as view:
        return hashlib.md5(view).digest()


def check(part):
    """Looks at every fifth block, of all parts in turn with `part` 0, and changes a page of each."""
    looked = range(blocks) if part == 0 else range(part - 1, blocks, PARTS)
    for block in looked:
        expect(f"block {block}", digest(block), digests[block])
        memory[block * BLOCK:block * BLOCK + PAGE] = os.urandom(PAGE)
        digests[block] = digest(block)
    requests.step()
    return f"{len(looked)} of {blocks} MiB"


for block in range(blocks):
    memory[block * BLOCK:(block + 1) * BLOCK] = os.urandom(BLOCK)
    digests.append(digest(block))
requests.ready()
while True:
    requests.serve(check, status=17)
