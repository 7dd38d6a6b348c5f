#!/usr/bin/env python3
"""Makes the seeds of FuzzNetworkPackets and FuzzNetworkStack: packet-seeds.py CORPUS"""
import os, struct, sys

corpus = sys.argv[1]


def write(fuzzer, seed, *parts):
    os.makedirs(f"{corpus}/{fuzzer}", exist_ok=True)
    with open(f"{corpus}/{fuzzer}/{seed}", "wb") as file:
        file.write(b"".join(bytes([part]) if isinstance(part, int) else bytes(part) for part in parts))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(payload, number=17, field=0, options=b""):
    header = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 7, field, 64, number, 0)
    header += bytes([10, 0, 2, 15, 198, 51, 100, 7]) + options
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(payload, number=17):
    return struct.pack(">IHBB", 6 << 28, len(payload), number, 64) + bytes(32) + payload


# The first byte says which parser.
packets = "FuzzNetworkPackets"
arp = struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + bytes(6) + bytes([10, 0, 2, 15]) + bytes(6) + bytes([10, 0, 2, 2])
udp = struct.pack(">HHHH", 1000, 53, 12, 0) + b"data"
tcp = struct.pack(">HHIIBBHHH", 1000, 80, 1, 2, 5 << 4, 0x10, 100, 0, 0)
options = bytes([2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7, 1, 1, 5, 10]) + struct.pack(">II", 10, 20)
write(packets, "arp", 0, arp)
write(packets, "ipv4", 1, ipv4(udp))
write(packets, "ipv4-options", 1, ipv4(udp, options=bytes([1, 1, 1, 0])))
write(packets, "ipv4-fragment", 1, ipv4(udp, field=0x2001))
write(packets, "ipv6", 2, ipv6(udp))
write(packets, "ipv6-extensions", 2, ipv6(bytes([43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0]) + udp, 0))
write(packets, "ipv6-fragment", 2, ipv6(bytes([17, 0, 0, 9, 0, 0, 0, 1]) + udp, 44))
write(packets, "tcp", 3, tcp + b"data")
write(packets, "tcp-options", 3, tcp[:12] + bytes([(20 + len(options)) // 4 << 4]) + tcp[13:] + options)
write(packets, "udp", 4, udp)
# Identification, offset in units of eight, length, time, whether more follow.
part = lambda name, offset, more, data: struct.pack(">BHBBB2x", name, offset, len(data), 1, more) + data
write(packets, "fragments", 5, part(1, 2, 0, b"end"), part(1, 0, 1, bytes(8)), part(2, 0, 1, bytes(16)), part(1, 1, 1, bytes(8)))
write(packets, "fragments-overlap", 5, part(1, 0, 1, bytes(16)), part(1, 1, 1, bytes(16)), part(1, 3, 0, b"end"))
write(packets, "checksum", 6, bytes(range(200)))
write(packets, "ranges", 7, bytes([255, 255, 255, 0]), *(bytes([0, 10 * n, 3]) for n in range(9)), bytes([0, 0, 90]), bytes([0, 20, 0]))

# The steps of FuzzNetworkStack.
stack = "FuzzNetworkStack"
hello = lambda choice: bytes([11, choice, 1, 2])
segment = lambda flags, data=b"", choice=0: bytes([4, choice, flags, len(data)]) + data
# Away from where the connection is, by so many bytes.
away = lambda distance, flags, data: bytes([4, 8, flags]) + struct.pack(">H", 0x4000 + distance) + bytes([len(data)]) + data
read, fill, finish, abort = (lambda n: bytes([16, n, 0])), (lambda n: bytes([17, n, 0])), bytes([13, 0]), bytes([14, 0])
seconds = lambda n: bytes([20]) + struct.pack(">H", 1000 * n)
acknowledge, fin, reset = segment(0x10), segment(0x11), segment(0x04)
write(stack, "exchange", hello(16), segment(0x18, b"request"), read(9), fill(40), acknowledge, finish, acknowledge, fin)
write(stack, "guest-ends", hello(24), segment(0x11, b"all"), read(9), fill(10), finish, acknowledge, seconds(1))
write(stack, "all-options", hello(63), fill(100), acknowledge, away(100, 0x10, b"early"), away(50, 0x10, bytes(50)), away(0, 0x10, bytes(50)), read(99))
write(stack, "late-and-early", hello(8), away(300, 0x10, bytes(99)), away(100, 0x11, bytes(99)), away(0, 0x10, bytes(150)), read(255))
write(stack, "lost", hello(24), fill(200), acknowledge, acknowledge, acknowledge, seconds(1), seconds(2), seconds(60), seconds(60))
write(stack, "reset", hello(0), segment(0x18, b"bytes"), reset, read(1), seconds(11))
write(stack, "closed-window", hello(0), bytes([4, 64, 0x10, 0, 0, 0]), fill(50), seconds(5), bytes([4, 64, 0x10, 0, 9, 0]), seconds(5))
write(stack, "refused", segment(2), bytes([15, 193, 0]), segment(2), bytes([15, 194, 0]), segment(2), bytes([15, 192, 0]))
write(stack, "begun-outside", bytes([19, 1]), segment(0x12, b"", 1), fill(9), segment(0x11, b"answer", 1), read(9), finish)
write(stack, "refused-inside", bytes([19, 1]), segment(0x14, b"", 1), bytes([19, 9]), seconds(60))
write(stack, "link-full", bytes([22, 3, 90]), hello(16), fill(99), hello(17), fill(99), bytes([22, 1]), acknowledge, abort)
write(stack, "fragments", bytes([3, 1, 0, 0, 16]), bytes(16), bytes([3, 0, 0, 2, 8]), bytes(8), bytes([3, 3, 0, 0, 16]), bytes(16))
write(stack, "ping", bytes([2, 0, 12, 8, 0, 0, 0, 0, 1, 0, 1]), b"ping", bytes([15, 128]), bytes([15, 65]))
write(stack, "datagrams", bytes([23, 0, 2, 0]), bytes([23, 3, 9, 0]), bytes([23, 1, 20, 0]))
write(stack, "neighbour", bytes([2, 0x31, 24, 135, 0, 0, 0, 0, 0, 0, 0]), bytes.fromhex("fd000000000000000000000000000002"))
write(stack, "silence", hello(16), bytes([18, 3, 0, 0]), seconds(2), seconds(2), seconds(2))
