#!/usr/bin/env python3
"""Proxies that do not do what they should, on ports of one address: run outside, it prints `ready`.

    odd_proxies.py ADDRESS

3132 ends in the middle of its answer, 3133 speaks neither HTTP nor SOCKS, 3134 is a SOCKS proxy that allows nothing,
3135 is one of HTTP that answers a byte at a time, and then echoes.
"""

import asyncio
import functools
import sys

ANSWER = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 odd\r\n\r\n"


async def half(reader, writer):
    """Ends in the middle."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER[:30])


async def mail(_reader, writer):
    """Speaks first, and another protocol."""
    writer.write(b"220 mail.example.com\r\n")


async def forbidding(reader, writer):
    """SOCKS: not allowed by the rules (RFC 1928 section 6)."""
    _, count = await reader.readexactly(2)
    await reader.readexactly(count)
    writer.write(b"\x05\x00")
    await reader.readexactly(10)
    writer.write(b"\x05\x02\x00\x01" + bytes(6))


async def slow(reader, writer):
    """A byte at a time, then whatever comes."""
    await reader.readuntil(b"\r\n\r\n")
    for byte in ANSWER:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.005)
    while content := await reader.read(65536):
        writer.write(content)
        await writer.drain()


async def serve(behave, reader, writer):
    """One connection."""
    try:
        await behave(reader, writer)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    servers = [await asyncio.start_server(functools.partial(serve, behave), sys.argv[1], port)
               for port, behave in ((3132, half), (3133, mail), (3134, forbidding), (3135, slow))]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
