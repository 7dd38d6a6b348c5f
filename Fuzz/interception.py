#!/usr/bin/env python3
"""Seeds for what intercepts TLS: interception.py CORPUS. ClientHellos are those of OpenSSL."""
import json
import pathlib
import ssl
import sys

corpus = pathlib.Path(sys.argv[1])


def write(fuzzer, name, content):
    folder = corpus / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def hello(server, protocols, newest):
    context = ssl.create_default_context()
    context.maximum_version = newest
    if protocols:
        context.set_alpn_protocols(protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context.check_hostname = server is not None
    if server is None:
        context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=server).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


write("FuzzClientHello", "new", b"\xff" + hello("api.example.com", ["h2", "http/1.1"], ssl.TLSVersion.TLSv1_3))
write("FuzzClientHello", "old", b"\x06" + hello("api.example.com", [], ssl.TLSVersion.TLSv1_2))
write("FuzzClientHello", "nameless", b"\x00" + hello(None, ["h2"], ssl.TLSVersion.TLSv1_3))

requests = {
    "get": b"GET /a?b HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "sized": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
    "chunked": b"PUT http://x/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n",
}
responses = {
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "folded": b"HTTP/1.0 200 OK\nA: b\n  c\n\nuntil the end",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
}
for name, text in requests.items():
    write("FuzzHTTP1", f"request-{name}", b"\x04" + text)
for name, text in responses.items():
    write("FuzzHTTP1", f"response-{name}", b"\x05" + text)
write("FuzzHTTP1", "response-strict", b"\x06" + responses["interim"] + responses["chunked"])

placeholder = b"sandpiper-secret-aaaa"
write("FuzzPlaceholders", "plain", b"\x07before " + placeholder + b" after sandpiper-secret-bbbbbb")
write("FuzzPlaceholders", "encoded", b"\x03" + b"".join(b"%%%02x" % byte for byte in placeholder))
write("FuzzPlaceholders", "base64", b"\x05dXNlcjpzYW5kcGlwZXItc2VjcmV0LWFhYWE=")

connection = {"id": 7, "scheme": "tls", "serverName": "api.example.com", "address": "192.0.2.1", "port": 443,
              "names": ["*.example.com", "192.0.2.1:443"], "resolvedNames": []}
secret = {"name": "TOKEN", "placeholder": "sandpiper-secret-aaaa", "length": 3, "hosts": ["api.example.com"],
          "places": ["headers", "json"], "allowsPlainHTTP": False}
configuration = {"authorityDirectory": "/home/ca", "upstreamAuthorityFiles": [], "unverifiedHosts": ["a.example"],
                 "bypassedHosts": ["*.b.example"], "secrets": [secret]}
refusal = {"id": 7, "reason": "placeholder", "name": "evil.example", "secret": "TOKEN", "detail": "no"}
messages = {
    "connection": json.dumps({"connection": connection}).encode() + b"\0",
    "configure": json.dumps({"configure": configuration}).encode() + b"\0abc",
    "refused": json.dumps({"refused": refusal}).encode(),
    "closed": json.dumps({"closed": {"id": 7, "bytesOut": 1, "bytesIn": 2, "requests": 3, "spoken": "h2"}}).encode(),
    "ready": json.dumps({"ready": {"authority": "PEM", "missingWalls": ["files"]}}).encode(),
    "omitted": b'{"omitted":3}',
}
for name, text in messages.items():
    write("FuzzInterceptionMessages", name, text)
