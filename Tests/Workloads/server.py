"""A server with connections that are in use: clients in another process count with it, and never begin anew."""

import os
import selectors
import signal
import socket
import struct
import time

from workload import Requests, expect

CONNECTIONS = 12
NUMBER = struct.Struct("<QQ")
requests = Requests()
listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
port = listener.getsockname()[1]
failed_read, failed_write = os.pipe()

client = os.fork()
if client == 0:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    count = 0
    try:
        while True:
            for index, connection in enumerate(connections):
                connection.sendall(NUMBER.pack(index, count))
            for index, connection in enumerate(connections):
                expect("the answer", NUMBER.unpack(connection.recv(NUMBER.size, socket.MSG_WAITALL)),
                       (index, count * 2 + index))
            count += 1
            time.sleep(0.02)
    except BaseException as error:
        os.write(failed_write, f"{type(error).__name__}: {error}".encode())
        os._exit(1)

os.close(failed_write)
counts = {}
asked = -1
selector = selectors.DefaultSelector()
accepted = [listener.accept()[0] for _ in range(CONNECTIONS)]
for connection in accepted:
    selector.register(connection, selectors.EVENT_READ)
selector.register(failed_read, selectors.EVENT_READ)
selector.register(requests.descriptor, selectors.EVENT_READ)
failure = None


def check(_):
    global asked
    if failure is not None:
        raise ValueError(failure)
    expect("connections", len(counts), CONNECTIONS)
    least = min(counts.values())
    if least <= asked:
        raise ValueError(f"the clients stand still at {least}")
    asked = max(counts.values())
    requests.step()
    # A new connection is taken as well, which the listener has from before.
    with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
        pass
    return least


def end():
    """Ends the clients, which have not ended before."""
    expect("the clients", (failure, os.waitpid(client, os.WNOHANG)), (None, (0, 0)))
    os.kill(client, signal.SIGKILL)
    os.waitpid(client, 0)


ready = False
while True:
    for key, _ in selector.select():
        if key.fd == requests.descriptor:
            requests.serve(check, status=15, end=end)
        elif key.fd == failed_read:
            failure = os.read(failed_read, 1000).decode() or "the clients have ended"
            selector.unregister(failed_read)
        else:
            message = key.fileobj.recv(NUMBER.size, socket.MSG_WAITALL)
            if len(message) < NUMBER.size:
                failure = failure or "a connection was closed"
                selector.unregister(key.fileobj)
                continue
            index, count = NUMBER.unpack(message)
            if counts.get(index, -1) + 1 != count:
                failure = f"connection {index} came from {counts.get(index)} to {count}"
            counts[index] = count
            key.fileobj.sendall(NUMBER.pack(index, count * 2 + index))
    if not ready and len(counts) == CONNECTIONS:
        ready = True
        requests.ready()
