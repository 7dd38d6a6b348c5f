#!/usr/bin/env python3
"""A server of WebSockets on port 8765 of the loopback interface: it sends back what it gets."""

import asyncio

import websockets


async def answer(connection, *_):
    """One connection."""
    async for message in connection:
        await connection.send(message)


async def main():
    async with websockets.serve(answer, "127.0.0.1", 8765, max_size=None):
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
