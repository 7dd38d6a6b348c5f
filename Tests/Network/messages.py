"""Messages of DNS (RFC 1035), as much of them as tests need."""

import os
import socket
import struct

KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "OPT": 41, "SVCB": 64, "HTTPS": 65, "ANY": 255, "AXFR": 252}
RCODES = {0: "ok", 1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused"}
# Of SVCB and HTTPS (RFC 9460).
PARAMETERS = {0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint"}


def dns_query(name, kind, edns=None):
    """A query for a name; with EDNS (RFC 6891) when `edns` is the size of datagrams that may come back."""
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    number = KINDS[kind] if kind in KINDS else int(kind)
    extra = b"\0" + struct.pack("!HHIH", KINDS["OPT"], edns, 0, 0) if edns else b""
    head = os.urandom(2) + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1 if edns else 0)
    return head + question + struct.pack("!HH", number, 1) + extra


def _name(message, offset):
    labels, end, hops = [], None, 0
    while length := message[offset]:
        if length >= 0xC0:
            end = end or offset + 2
            offset = (length & 0x3F) << 8 | message[offset + 1]
            hops += 1
            if hops > 50:
                raise ValueError("a name without end")
            continue
        labels.append(message[offset + 1:offset + 1 + length].decode("latin-1"))
        offset += 1 + length
    return ".".join(labels), end or offset + 1


def _value(message, kind, start, length):
    content = message[start:start + length]
    if kind == "A":
        return socket.inet_ntop(socket.AF_INET, content)
    if kind == "AAAA":
        return socket.inet_ntop(socket.AF_INET6, content)
    if kind in ("CNAME", "NS", "PTR"):
        return _name(message, start)[0]
    if kind == "MX":
        return _name(message, start + 2)[0]
    if kind == "SRV":
        return _name(message, start + 6)[0]
    if kind == "TXT":
        return content[1:1 + content[0]].decode("latin-1")[:40]
    if kind in ("SVCB", "HTTPS"):
        target, offset = _name(message, start + 2)
        keys = []
        while offset < start + length:
            key, size = struct.unpack("!HH", message[offset:offset + 4])
            keys.append(PARAMETERS.get(key, str(key)))
            offset += 4 + size
        return " ".join([str(struct.unpack("!H", content[:2])[0]), target or ".", *keys])
    return content.hex()[:40]


def read_dns_answer(message):
    """The response code, whether it was cut short, and the records of the answer as text."""
    _, flags, questions, answers, _, _ = struct.unpack("!HHHHHH", message[:12])
    offset, found = 12, []
    for _ in range(questions):
        offset = _name(message, offset)[1] + 4
    names = {number: name for name, number in KINDS.items()}
    for _ in range(answers):
        owner, offset = _name(message, offset)
        number, _, seconds, length = struct.unpack("!HHIH", message[offset:offset + 10])
        kind = names.get(number, str(number))
        found.append(f"{kind} {_value(message, kind, offset + 10, length)}")
        offset += 10 + length
    return flags & 15, bool(flags & 0x0200), found
