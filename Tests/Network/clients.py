#!/usr/bin/env python3
"""Clients written in Python, inside a sandbox: `clients.py requests|asyncio|websocket|looking`. Each prints `fine`."""

import asyncio
import os
import signal
import socket
import ssl
import sys

# Whose certificates are trusted, and nobody else's.
AUTHORITY = os.environ.get("LAB_AUTHORITY", "/authority/ca.crt")


def requests_client():
    """A session of requests: many pages, both schemes, one connection each."""
    import requests
    session = requests.Session()
    session.verify = AUTHORITY
    for scheme in ("http", "https"):
        for _ in range(20):
            answer = session.get(f"{scheme}://www.example.com/", timeout=20)
            assert answer.status_code == 200 and "www.example.com at" in answer.text, answer.text
    try:
        session.get("http://forbidden.example.org/", timeout=20)
        raise AssertionError("a name that is not allowed was reached")
    except requests.ConnectionError:
        pass


async def asyncio_client():
    """A hundred connections at a time, and a stream under TLS."""
    async def one(number):
        reader, writer = await asyncio.open_connection("echo.example.com", 7)
        for _ in range(5):
            writer.write(f"{number}\n".encode())
            await writer.drain()
            assert await asyncio.wait_for(reader.readline(), 30) == f"{number}\n".encode()
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one(number) for number in range(100)))
    context = ssl.create_default_context(cafile=AUTHORITY)
    reader, writer = await asyncio.open_connection("www.example.com", 443, ssl=context)
    writer.write(b"GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n")
    assert b"www.example.com at" in await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def websocket_client():
    """Messages there and back, small and large, plain and under TLS."""
    import websockets
    context = ssl.create_default_context(cafile=AUTHORITY)
    for url, options in (("ws://www.example.com/socket", {}), ("wss://www.example.com/socket", {"ssl": context})):
        async with websockets.connect(url, max_size=None, open_timeout=30, **options) as connection:
            for message in ["hello", b"\0\1\2", *(str(number) for number in range(50)), b"x" * 1_000_000]:
                await connection.send(message)
                assert await asyncio.wait_for(connection.recv(), 30) == message


def looking_client():
    """One that is to look for what comes before it sleeps does so alone, and not where another program computes."""
    busy_poll = 46  # SO_BUSY_POLL, in microseconds: far longer than an answer takes

    def looks():
        with open("/proc/net/netstat") as file:
            names, values = (line.split() for line in file if line.startswith("TcpExt:"))
        return int(values[names.index("BusyPollRxPackets")])

    with socket.create_connection(("echo.example.com", 7), timeout=30) as connection:
        connection.settimeout(None)  # With a time-out Python waits by poll(2), where each look is a call of its own.
        connection.setsockopt(socket.SOL_SOCKET, busy_poll, 50_000)

        def found_by_looks():
            before = looks()
            for number in range(200):
                connection.sendall(b"%09d\n" % number)
                assert connection.recv(10, socket.MSG_WAITALL) == b"%09d\n" % number
            return looks() - before

        alone = found_by_looks()
        computing = os.fork()
        if computing == 0:
            while True:
                pass
        try:
            beside = found_by_looks()
        finally:
            os.kill(computing, signal.SIGKILL)
            os.waitpid(computing, 0)
    print(f"of 200 answers looks found {alone}, beside another program {beside}")
    assert alone >= 20 and beside <= alone / 4


def main():
    client = {"requests": requests_client, "asyncio": asyncio_client, "websocket": websocket_client,
              "looking": looking_client}[sys.argv[1]]
    started = client()
    if asyncio.iscoroutine(started):
        asyncio.run(started)
    print("fine")


if __name__ == "__main__":
    main()
