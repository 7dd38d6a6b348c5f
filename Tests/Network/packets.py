"""Packets made by hand, inside a sandbox whose user has all power over its own network."""

import os
import select
import socket
import struct
import time

_UNREACHABLE = {9: "prohibited", 10: "prohibited", 13: "prohibited"}
_UNREACHABLE6 = {1: "prohibited", 5: "prohibited", 6: "prohibited"}


def checksum(content):
    """The internet checksum (RFC 1071)."""
    content += b"\0" * (len(content) % 2)
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, target, protocol, payload, identification=0, flags=0, offset=0):
    """A packet of IPv4."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification, flags << 13 | offset // 8, 64,
                       protocol, 0, socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload):
    """A packet of IPv6."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target) + payload


def _pseudo(source, target, protocol, length):
    if ":" in target:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
        return ends + struct.pack("!II", length, protocol)
    return socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, protocol, length)


def udp(source, target, source_port, port, payload):
    """A datagram of UDP."""
    length = 8 + len(payload)
    head = struct.pack("!HHHH", source_port, port, length, 0)
    value = checksum(_pseudo(source, target, 17, length) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", value) + payload


def tcp(source, target, source_port, port, flags, sequence=1, payload=b""):
    """A segment of TCP."""
    head = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 0x50, flags, 65535, 0, 0)
    value = checksum(_pseudo(source, target, 6, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack("!H", value) + head[18:] + payload


class Wire:
    """The sandbox's network device."""

    def _device(self):
        return next(name for name in sorted(os.listdir("/sys/class/net")) if name != "lo")

    def _own(self, target):
        with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return probe.getsockname()[0]

    def _gateway(self):
        """The hardware address of the way out."""
        for _ in range(20):
            with open("/proc/net/arp") as file:
                for line in list(file)[1:]:
                    fields = line.split()
                    if fields[2] != "0x0":
                        return bytes.fromhex(fields[3].replace(":", ""))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.sendto(b"", ("192.0.2.10", 9))
            time.sleep(0.05)
        return b"\xff" * 6

    def _send_frame(self, packet, kind=0x0800, source=None, target=None):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((self._device(), 0))
            own = wire.getsockname()[4]
            wire.send((target or self._gateway()) + (source or own) + struct.pack("!H", kind) + packet)

    def ping(self, step):
        """An echo request; raw sockets see every answer, errors too."""
        target = step["to"]
        is_six = ":" in target
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if is_six else (socket.AF_INET, socket.IPPROTO_ICMP)
        with socket.socket(family, socket.SOCK_RAW, protocol) as wire:
            identity = struct.unpack("!H", os.urandom(2))[0]
            body = struct.pack("!HH", identity, 1) + step.get("send", "p" * step.get("length", 48)).encode()
            head = struct.pack("!BBH", 128 if is_six else 8, 0, 0)
            if not is_six:
                head = head[:2] + struct.pack("!H", checksum(head + body))
            wire.sendto(head + body, (target, 0))
            deadline = time.monotonic() + step.get("patience", 3)
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([wire], [], [], left)[0]:
                    break
                content = wire.recv(65536)
                content = content if is_six else content[(content[0] & 15) * 4:]
                kind, code = content[0], content[1]
                if kind == (129 if is_six else 0) and content[4:6] == body[:2]:
                    return "answered", str(len(content))
                if kind == (1 if is_six else 3) and body[:2] in content[8:]:
                    return (_UNREACHABLE6 if is_six else _UNREACHABLE).get(code, "unreachable"), str(code)
        return "timeout", ""

    def forge(self, step):
        """A datagram, or the first segment of a connection, that claims to come from somebody else."""
        source, target, port = step["source"], step["to"], step["port"]
        if step.get("protocol") == "tcp":
            number, payload = 6, tcp(source, target, 40000, port, step.get("flags", 2))
        else:
            number, payload = 17, udp(source, target, 40000, port, step.get("send", "forged").encode())
        # Headers of IPv6 that stand before the payload: number, and content without the number that follows.
        for header, content in reversed(step.get("headers", [])):
            number, payload = header, bytes([number]) + bytes.fromhex(content) + payload
        is_six = ":" in target
        packet = (ipv6 if is_six else ipv4)(source, target, number, payload)
        hardware = bytes.fromhex(step["hardware"]) if "hardware" in step else None
        for _ in range(3):
            self._send_frame(packet, kind=0x86DD if is_six else 0x0800, source=hardware)
        time.sleep(0.3)
        return "sent", ""

    def arp(self, step):
        """Claims an address; then asks for one: the outcome is whether anybody has it."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
            wire.bind((self._device(), 0x0806))
            own = wire.getsockname()[4]
            question = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, own,
                                   socket.inet_aton(step.get("source", "0.0.0.0")), bytes(6),
                                   socket.inet_aton(step["to"]))
            wire.send(b"\xff" * 6 + own + b"\x08\x06" + question)
            deadline = time.monotonic() + 1
            while (left := deadline - time.monotonic()) > 0 and select.select([wire], [], [], left)[0]:
                frame = wire.recv(2048)
                if frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(step["to"]):
                    return "answered", frame[22:28].hex(":")
        return "timeout", ""

    def fragments(self, step):
        """A datagram in pieces: `order` tells which are sent; with `overlap` each repeats the end of the last."""
        target, port, length, size = step["to"], step["port"], step.get("length", 4000), step.get("size", 1000)
        own, identification = self._own(target), struct.unpack("!H", os.urandom(2))[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.bind(("", 0))
            connection.settimeout(step.get("patience", 2))
            payload = bytes(index % 251 for index in range(length))
            datagram = udp(own, target, connection.getsockname()[1], port, payload)
            size -= size % 8
            parts = []
            for start in range(0, len(datagram), size):
                begin = max(0, start - 8) if step.get("overlap") else start
                more = 1 if start + size < len(datagram) else 0
                content = datagram[begin:start + size]
                if step.get("overlap") and start:
                    content = b"\xee" * 8 + content[8:]
                parts.append(ipv4(own, target, 17, content, identification, more, begin))
            for index in step.get("order", range(len(parts))):
                self._send_frame(parts[index])
            try:
                content = connection.recv(65536)
            except TimeoutError:
                return "timeout", ""
            except OSError as error:
                return "refused", str(error)
            return "answered", "whole" if content == payload else "changed"

    def raw(self, step):
        """A packet of another protocol, or bytes that are no packet at all."""
        own = step.get("source") or self._own(step["to"])
        payload = bytes.fromhex(step["payload"]) if "payload" in step else b"payload of a protocol"
        for _ in range(step.get("count", 1)):
            if "frame" in step:
                self._send_frame(bytes.fromhex(step["frame"]), kind=step.get("kind", 0x0800))
            elif ":" in own:
                self._send_frame(ipv6(own, step["to"], step["protocol"], payload), kind=0x86DD)
            else:
                self._send_frame(ipv4(own, step["to"], step["protocol"], payload))
        time.sleep(0.3)
        return "sent", ""
