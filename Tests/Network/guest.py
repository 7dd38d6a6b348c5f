#!/usr/bin/env python3
"""Tries things on the network, inside a sandbox: a JSON object a line on standard input, each answered by a line.

Each answer has `outcome`, a word; `seconds`; and mostly `reply`, what came back.
"""

import errno
import json
import os
import re
import resource
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from messages import KINDS, RCODES, dns_query, read_dns_answer
from packets import Wire

PATIENCE = 4
# What the kernel says when a connection cannot be had.
_ERRORS = {
    errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable", errno.EPERM: "unreachable", errno.ENETDOWN: "unreachable", errno.ECONNRESET: "reset",
    errno.EPIPE: "reset", errno.ETIMEDOUT: "timeout", errno.EADDRNOTAVAIL: "unreachable", errno.EINVAL: "invalid",
    errno.EMSGSIZE: "too-long", errno.ENOPROTOOPT: "unreachable",
}


class Ended(Exception):
    """The outcome is known; the text is the outcome, and perhaps what came back."""

    def __init__(self, outcome, reply=""):
        super().__init__(outcome)
        self.outcome, self.reply = outcome, reply


def outcome_of(error):
    """The word for an error of the system."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "timeout"
    return _ERRORS.get(error.errno, f"error {error.errno}")


def resolve(step):
    """The address that a step is about, of a name by the system's resolver."""
    family = {4: socket.AF_INET, 6: socket.AF_INET6}.get(step.get("version"), 0)
    try:
        found = socket.getaddrinfo(step["to"], step.get("port", 0), family, socket.SOCK_STREAM)
    except OSError as error:
        raise Ended("no-name", str(error)) from error
    return found[0][0], found[0][4]


def connect(step):
    """A connection of TCP."""
    family, address = resolve(step)
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(step.get("patience", PATIENCE))
    try:
        if "from_port" in step:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(("", step["from_port"]))
        connection.connect(address)
    except OSError as error:
        connection.close()
        raise Ended(outcome_of(error)) from error
    return connection


def receive(connection, enough=None):
    """What comes over a connection until it ends, or `enough` is in it."""
    content = b""
    try:
        while enough is None or enough not in content:
            part = connection.recv(65536)
            if not part:
                return content, True
            content += part
    except OSError as error:
        if not content:
            raise Ended("silent" if isinstance(error, TimeoutError) else ssl_outcome(error)) from error
    return content, False


def tcp(step):
    """Connects, sends if told to, and tells what came back."""
    with connect(step) as connection:
        if "send" not in step and not step.get("read"):
            # A connection that is reset a moment later was none.
            time.sleep(0.1)
            readable, _, _ = select.select([connection], [], [], 0)
            if readable:
                try:
                    if not connection.recv(1, socket.MSG_PEEK):
                        return "closed", ""
                except OSError as error:
                    return outcome_of(error), ""
            return "connected", ""
        if "send" in step:
            connection.settimeout(step.get("patience", PATIENCE))
            pieces = step["send"] if isinstance(step["send"], list) else [step["send"]]
            for piece in pieces:
                connection.sendall(piece.encode("latin-1"))
                time.sleep(0.05 if len(pieces) > 1 else 0)
        enough = step["read"].encode("latin-1") if isinstance(step.get("read"), str) else b"\n"
        content, ended = receive(connection, enough)
        return ("closed" if ended and not content else "answered"), content.decode("latin-1")[:500]


def udp(step):
    """Sends a datagram and waits for the answer."""
    family, address = resolve(step)
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.settimeout(step.get("patience", 2))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            if step.get("unconnected"):
                connection.sendto(step.get("send", "hello").encode("latin-1"), address)
            else:
                connection.connect(address)
                text = "x" * step["length"] if "length" in step else step.get("send", "hello")
                connection.send(text.encode("latin-1"))
            content = connection.recv(65536)
        except OSError as error:
            return outcome_of(error), ""
        return "answered", content.decode("latin-1")[:200] if "length" not in step else str(len(content))


def name_server():
    """The resolver that the system uses."""
    with open("/etc/resolv.conf") as file:
        return re.search(r"^nameserver\s+(\S+)", file.read(), re.M).group(1)


def dns(step):
    """Asks a name server; the outcome is the response code in lower case."""
    server = step.get("server") or name_server()
    query = dns_query(step["name"], step.get("kind", "A"), step.get("edns"))
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_STREAM if step.get("tcp") else socket.SOCK_DGRAM
    with socket.socket(family, kind) as connection:
        connection.settimeout(step.get("patience", 5))
        try:
            connection.connect((server, step.get("port", 53)))
            if step.get("tcp"):
                connection.sendall(struct.pack("!H", len(query)) + query)
                stream = connection.makefile("rb")
                head = stream.read(2)
                if len(head) < 2:
                    return "closed", []
                answer = stream.read(struct.unpack("!H", head)[0])
            else:
                connection.send(query)
                answer = connection.recv(65536)
        except OSError as error:
            return outcome_of(error), []
    code, truncated, answers = read_dns_answer(answer)
    word = RCODES.get(code, f"code {code}")
    return ("truncated" if truncated else word), answers


def http(step):
    """Requests on one connection; the outcome is their status codes."""
    codes, bodies = [], []
    with connect(step) as connection:
        if step.get("tls") is not None:
            connection = tls_context(step).wrap_socket(connection, server_hostname=step["tls"])
        requests = step["requests"]
        if step.get("together"):
            try:
                connection.sendall(b"".join(request_text(request) for request in requests))
            except OSError as error:
                return outcome_of(error), bodies
        stream = connection.makefile("rb")
        for request in requests:
            try:
                if not step.get("together"):
                    for piece in pieces(request_text(request), step.get("split")):
                        connection.sendall(piece)
                code, body = read_response(stream, request)
            except (OSError, ssl.SSLError) as error:
                codes.append("timeout" if isinstance(error, TimeoutError) else "reset")
                break
            codes.append(code)
            bodies.append(body)
            if code in ("closed", "403"):
                break
    return " ".join(codes), bodies


def pieces(content, size):
    """The content in parts that arrive apart."""
    if not size:
        yield content
        return
    for start in range(0, len(content), size):
        yield content[start:start + size]
        time.sleep(0.02)


def request_text(request):
    """The bytes of a request of HTTP/1."""
    if "raw" in request:
        return request["raw"].encode("latin-1")
    lines = [f"{request.get('method', 'GET')} {request.get('path', '/')} HTTP/{request.get('version', '1.1')}"]
    hosts = request.get("host", [])
    for host in hosts if isinstance(hosts, list) else [hosts]:
        lines.append(f"{request.get('header', 'Host')}: {host}")
    body = request.get("body", "")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join([*lines, "", ""]) + body).encode("latin-1")


def read_response(stream, request):
    """A response's code, and the first of its body."""
    status = stream.readline()
    if not status:
        return "closed", ""
    length, chunked = None, False
    while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        chunked |= name.lower() == b"transfer-encoding"
    body = b""
    if request.get("method") != "HEAD":
        if chunked:
            while size := int(stream.readline() or b"0", 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        elif length is not None:
            body = stream.read(length)
    return status.split()[1].decode(), body[:200].decode("latin-1")


def tls_context(step):
    """What a client of TLS proposes; who answers is seen from the certificate, and verified where a step says so."""
    if step.get("verify"):
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "alpn" in step:
        context.set_alpn_protocols(step["alpn"])
    if step.get("old"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def tls(step):
    """A handshake; the reply are the names in the server's certificate."""
    with connect(step) as connection:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = tls_context(step).wrap_bio(incoming, outgoing, server_hostname=step.get("name"))
        try:
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for piece in pieces(outgoing.read(), step.get("split")):
                        connection.sendall(piece)
                    content = connection.recv(65536)
                    if not content:
                        return "closed", ""
                    incoming.write(content)
        except ssl.SSLError as error:
            return "alert", str(error)
        except OSError as error:
            return ("silent" if isinstance(error, TimeoutError) else outcome_of(error)), ""
        certificate = session.getpeercert(True)
        if step.get("verify"):
            return "established", str(session.getpeercert())
        names = sorted({name.decode() for name in re.findall(rb"[a-z0-9.]+\.example\.(?:com|net|org)", certificate)})
        return "established", " ".join(names)


def ssl_outcome(error):
    """The word for an error of a connection under TLS."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "closed"
    return "alert" if isinstance(error, ssl.SSLError) else outcome_of(error)


_held = {}


def hold(step):
    """Opens a connection and keeps it."""
    if step.get("protocol") == "udp":
        family, address = resolve(step)
        connection = socket.socket(family, socket.SOCK_DGRAM)
        connection.settimeout(PATIENCE)
        connection.connect(address)
    else:
        connection = connect(step)
        if "tls" in step:
            try:
                connection = tls_context(step).wrap_socket(connection, server_hostname=step["tls"])
            except OSError as error:
                return ssl_outcome(error), str(error)
    _held[step["id"]] = connection
    return held({**step, "send": step.get("send", "first\n")})


def held(step):
    """Says something over a kept connection, or waits for its end."""
    connection = _held[step["id"]]
    try:
        if "send" in step:
            connection.sendall(step["send"].encode("latin-1"))
        enough = step.get("read", step.get("send"))
        content, ended = receive(connection, enough.encode("latin-1") if enough is not None else None)
    except Ended as error:
        return error.outcome, ""
    except OSError as error:
        return ssl_outcome(error), ""
    return ("closed" if ended and not content else "answered"), content.decode("latin-1")[:200]


def listen(step):
    """Serves a port: echoes with a word in front."""
    family = socket.AF_INET6 if ":" in step.get("address", "") else socket.AF_INET
    kind = socket.SOCK_DGRAM if step.get("protocol") == "udp" else socket.SOCK_STREAM
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((step.get("address", "0.0.0.0"), step["port"]))

    def answer(connection):
        with connection:
            while content := connection.recv(65536):
                connection.sendall(b"guest " + content)

    def loop():
        while True:
            if kind == socket.SOCK_DGRAM:
                content, peer = listener.recvfrom(65536)
                listener.sendto(b"guest " + content, peer)
            else:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    if kind == socket.SOCK_STREAM:
        listener.listen(64)
    threading.Thread(target=loop, daemon=True).start()
    return "listening", ""


def many(step):
    """Many connections that are open at once; the outcome is how many could be had, each with its echo if wanted."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    opened = []
    try:
        context = tls_context(step)
        for _ in range(step["count"]):
            opened.append(connect(step))
            if "tls" in step:
                opened[-1] = context.wrap_socket(opened[-1], server_hostname=step["tls"])
        if step.get("echo"):
            for number, connection in enumerate(opened):
                connection.sendall(f"echo {number}\n".encode())
            for number, connection in enumerate(opened):
                if f"echo {number}\n".encode() not in receive(connection, f"echo {number}\n".encode())[0]:
                    return f"no echo on {number}", ""
    except Ended as error:
        return f"{error.outcome} after {len(opened)}", ""
    finally:
        for connection in opened:
            connection.close()
    return f"all {len(opened)}", ""


def command(step):
    """A program of the sandbox; the outcome is its status."""
    done = subprocess.run(step["command"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=step.get("patience", 30))
    return f"status {done.returncode}", (done.stdout + done.stderr)[-2000:]


def interfaces(_step):
    """The network devices, and whether they have a carrier."""
    found = []
    for name in sorted(os.listdir("/sys/class/net")):
        if name != "lo":
            try:
                with open(f"/sys/class/net/{name}/carrier") as file:
                    found.append(f"{name} {file.read().strip()}")
            except OSError:
                found.append(f"{name} down")
    return ",".join(found) or "none", ""


ACTIONS = {action.__name__: action
           for action in (tcp, udp, dns, http, tls, hold, held, listen, many, command, interfaces)}


def main():
    wire = Wire()
    ACTIONS.update({action.__name__: action for action in (wire.ping, wire.forge, wire.fragments, wire.raw, wire.arp)})
    print(json.dumps({"outcome": "ready", "kinds": len(KINDS)}), flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        begin = time.monotonic()
        try:
            outcome, reply = ACTIONS[step["do"]](step)
        except Ended as ended:
            outcome, reply = ended.outcome, ended.reply
        except OSError as error:
            outcome, reply = outcome_of(error), str(error)
        except Exception as error:  # the mistake of a test, which the one who asked shall see
            outcome, reply = "mistake", repr(error)
        answer = {"outcome": outcome, "reply": reply, "seconds": round(time.monotonic() - begin, 3)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
