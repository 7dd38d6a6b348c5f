#!/usr/bin/env python3
"""The servers of the lab that tell what reached them: run outside, it prints `ready`, and lines of JSON to a file.

On every address, TCP: 7 echoes; 22 and 2222 speak first, as a server of SSH does, then echo; 9000 sends and takes as
many bytes as a first line asks for (`get N`, `put N`), and their digest; 7000 and 8000 to 8010 tell who is connected
to whom, and echo; 19 resets each connection; 53 and 853 take whatever comes. UDP: 7, 443, 5353, 5355 and 9000 echo. On
the foreign name server's addresses port 53 answers each query with one address.

With --packets FILE each packet that arrives on the wire is told of too, but for the data of TCP.
"""

import argparse
import asyncio
import functools
import hashlib
import ipaddress
import json
import socket
import struct
import sys
import threading

ECHO_TCP, TELL_TCP, SPEAK_TCP = {7}, {7000, *range(8000, 8011)}, {22, 2222}
RESET_TCP, SWALLOW_TCP, BULK_TCP = {19}, {53, 853}, {9000}
UDP = (7, 443, 5353, 5355, 9000)
BLOCK = bytes(range(256)) * 256


class Log:
    """Lines of JSON, one for each thing that arrived."""

    def __init__(self, path):
        self._file, self._lock = open(path, "a", encoding="utf-8"), threading.Lock()

    def write(self, **facts):
        """Adds a line."""
        with self._lock:
            self._file.write(json.dumps(facts) + "\n")
            self._file.flush()


def plain(address):
    """An address without the form that a socket of IPv6 shows one of IPv4 in."""
    address = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


class Services:
    """What is done with what arrives."""

    def __init__(self, log, foreign):
        self.log, self.foreign = log, foreign

    async def serve(self, reader, writer):
        """One connection."""
        local, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        address, port = plain(local[0]), local[1]
        self.log.write(protocol="tcp", address=address, port=port, peer=plain(peer[0]))
        try:
            if port in RESET_TCP:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if port in SPEAK_TCP:
                writer.write(b"SSH-2.0-Lab\r\n")
            if port in TELL_TCP:
                writer.write(json.dumps({"address": address, "port": port, "peer": plain(peer[0])}).encode() + b"\n")
            if port == 53 and address in self.foreign:
                length = struct.unpack("!H", await reader.readexactly(2))[0]
                answer = self.answer(await reader.readexactly(length), address)
                writer.write(struct.pack("!H", len(answer)) + answer)
            elif port in BULK_TCP:
                await self.move(reader, writer)
            else:
                while content := await reader.read(65536):
                    self.log.write(protocol="tcp", address=address, port=port, content=content[:200].decode("latin-1"))
                    if port not in SWALLOW_TCP:
                        writer.write(content)
                        await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def move(reader, writer):
        """Bytes one way or the other, and their digest."""
        verb, count = (await reader.readline()).split()
        left, digest = int(count), hashlib.md5(usedforsecurity=False)
        while left > 0:
            if verb == b"get":
                block = BLOCK[:min(left, len(BLOCK))]
                writer.write(block)
                await writer.drain()
            else:
                block = await reader.read(1 << 20)
                if not block:
                    break
            digest.update(block)
            left -= len(block)
        writer.write(digest.hexdigest().encode() + b"\n")
        await writer.drain()

    def answer(self, query, address):
        """The foreign name server's answer."""
        name, offset = [], 12
        while query[offset]:
            name.append(query[offset + 1:offset + 1 + query[offset]].decode("latin-1"))
            offset += 1 + query[offset]
        kind = struct.unpack("!H", query[offset + 1:offset + 3])[0]
        self.log.write(protocol="dns", address=address, name=".".join(name), kind=kind)
        question = query[12:offset + 5]
        answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 11]) if kind == 1 else b""
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if answers else 0, 0, 0) + question + answers


class Datagrams(asyncio.DatagramProtocol):
    """One port of UDP at one address."""

    def __init__(self, services, address, port):
        self.services, self.address, self.port = services, address, port

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        if self.port == 53:
            self.transport.sendto(self.services.answer(data, self.address), peer)
            return
        self.services.log.write(protocol="udp", address=self.address, port=self.port, peer=plain(peer[0]),
                                content=data[:200].decode("latin-1"), length=len(data))
        self.transport.sendto(data, peer)


def listen_for_packets(interface, log):
    """Tells of each packet on the wire that is not the data of a TCP connection."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    wire.bind((interface, 3))

    def loop():
        while True:
            packet, (_, kind, direction, *_) = wire.recvfrom(128)
            if direction == socket.PACKET_OUTGOING:
                continue
            if kind == 0x0800 and len(packet) >= 20:
                start, protocol = (packet[0] & 15) * 4, packet[9]
                source, target = ipaddress.ip_address(packet[12:16]), ipaddress.ip_address(packet[16:20])
            elif kind == 0x86DD and len(packet) >= 40:
                start, protocol = 40, packet[6]
                source, target = ipaddress.ip_address(packet[8:24]), ipaddress.ip_address(packet[24:40])
            else:
                continue
            if protocol == 6 and len(packet) >= start + 14 and packet[start + 13] & 0x12 != 2:
                continue
            port = struct.unpack("!H", packet[start + 2:start + 4])[0] if protocol in (6, 17) else None
            log.write(packet=protocol, source=str(source), address=str(target), port=port)

    threading.Thread(target=loop, daemon=True).start()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", required=True)
    parser.add_argument("--packets")
    parser.add_argument("--interface", default="outside0")
    parser.add_argument("--address", action="append", default=[], help="one at which UDP is served")
    parser.add_argument("--foreign", action="append", default=[], help="one of the foreign name server's")
    parser.add_argument("--taken", action="append", default=[], help="ADDRESS/PORT that others serve")
    parser.add_argument("--host", action="store_true", help="serve the ports 7000 and 8000 to 8010, and UDP 9000, only")
    arguments = parser.parse_args()
    log = Log(arguments.log)
    if arguments.packets:
        listen_for_packets(arguments.interface, Log(arguments.packets))
    services = Services(log, arguments.foreign)
    loop = asyncio.get_running_loop()
    ports = TELL_TCP if arguments.host else TELL_TCP | SPEAK_TCP | RESET_TCP | BULK_TCP
    servers = [await asyncio.start_server(services.serve, sock=both(port)) for port in sorted(ports)]
    for address in arguments.address:
        for port in ((9000,) if arguments.host else UDP):
            if f"{address}/{port}" not in arguments.taken:
                datagrams = functools.partial(Datagrams, services, address, port)
                await loop.create_datagram_endpoint(datagrams, (address, port))
        for port in () if arguments.host else ECHO_TCP | SWALLOW_TCP:
            if f"{address}/{port}" not in arguments.taken:
                servers.append(await asyncio.start_server(services.serve, address, port))
    for address in arguments.foreign:
        await loop.create_datagram_endpoint(functools.partial(Datagrams, services, address, 53), (address, 53))
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def both(port):
    """A socket that listens on all addresses of both versions."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(2048)
    return listener


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
