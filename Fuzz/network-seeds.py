#!/usr/bin/env python3
"""Seeds for the fuzzers of the network: messages of DNS, clients of TLS and HTTP, rules and files of policies.

    network-seeds.py CORPUS
"""
import os
import ssl
import struct
import sys

corpus = sys.argv[1]


def write(fuzzer, name, data):
    os.makedirs(f"{corpus}/{fuzzer}", exist_ok=True)
    with open(f"{corpus}/{fuzzer}/{name}", "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def label(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".") if part) + b"\0"


def message(flags, question, answers=(), additional=b"", additionals=0):
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", type, 1, 60, len(data)) + data for type, data in answers)
    return struct.pack(">6H", 7, flags, 1, len(answers), 0, additionals) + question + body + additional


opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 5) + b"\0\x0a\0\x01\x07"
write("FuzzDNSMessage", "query", message(0x120, label("www.Example.com") + struct.pack(">2H", 1, 1), (), opt, 1))
for name, type, data in [
    ("a", 1, bytes([192, 0, 2, 1])), ("aaaa", 28, bytes(16)), ("cname", 5, b"\x01b\xc0\x10"), ("mx", 15, b"\0\x0a\xc0\x0c"),
    ("txt", 16, b"\x03abc\0"), ("srv", 33, bytes(6) + label("a.b")), ("soa", 6, b"\xc0\x0c\x01x\xc0\x0c" + bytes(20)),
    ("https", 65, b"\0\x01\0" + b"\0\x01\0\x03\x02h2" + b"\0\x04\0\x04\xc0\0\x02\x01" + b"\0\x05\0\x02ab"),
    ("ptr", 12, label("a.example")), ("other", 257, b"\0\x05issueca"),
]:
    write("FuzzDNSMessage", name, message(0x8180, label("www.example.com") + struct.pack(">2H", type, 1), [(type, data)] * 2, opt, 1))


def hello(name, protocols=None):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if protocols:
        context.set_alpn_protocols(protocols)
    context.check_hostname = False
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def split(record, size):
    body = record[5:]
    return b"".join(
        b"\x16\x03\x01" + struct.pack(">H", len(body[i:i + size])) + body[i:i + size] for i in range(0, len(body), size))


first, second = hello("a.example"), hello("api.example.com", ["h2", "http/1.1"])
write("FuzzClientHello", "one", b"\x00" + first)
write("FuzzClientHello", "two", b"\x10" + first + b"\x14\x03\x03\0\x01\x01" + second)
write("FuzzClientHello", "unnamed", b"\xff" + hello(None))
write("FuzzClientHello", "records", b"\x30" + split(first, 40) + b"\x17\x03\x03\0\x02ab" + split(second, 100))

requests = {
    "get": "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "absolute": "GET http://a.example:80/x HTTP/1.1\r\nHost: A.example:80\r\n\r\n",
    "length": "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello\r\nGET / HTTP/1.0\r\n\r\n",
    "chunks": "POST / HTTP/1.1\r\nHost: [2001:db8::1]\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n"
              "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "upgrade": "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\r\nab\xffHTTP/1.1 101 Switching Protocols\r\n\r\n",
    "tunnel": "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n\xffHTTP/1.1 200 OK\r\n\r\n\xffab",
    "answers": "HEAD / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n\r\n\xffHTTP/1.1 100 Continue\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xffGET / HTTP/1.1\r\nHost: a.example\r\n\r\n\xff"
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
}
for name, text in requests.items():
    write("FuzzHTTPRequests", name, b"\x06" + text.encode("latin-1"))

write("FuzzPolicyRule", "names", "-x.example.com\n*.example.com:443/tls\nx.example.com:443\na.example.com:443\na.b:8080/http\n")
write("FuzzPolicyRule", "addresses", "10.0.0.0/8:80,8000-8100/tcp\n[2001:db8::/32]:53/udp\n10.0.0.1:80\n-any/icmp\n::1\n")
write("FuzzPolicyRule", "groups", "host:8080\n-metadata\npublic\ningress:private\nhost.sandpiper.internal:8080\ningress:10.0.0.1:80\n")
write("FuzzPolicyFile", "yaml", "egress: deny\nrules:\n  # all\n  - allow: [\"*.a.example:443\", 'b.c']\n  - deny: any\n")
write("FuzzPolicyFile", "json", '{"egress":"allow","ingress":"deny","recordsAllowed":true,"rules":[{"deny":"host:1-2,3/udp"}]}')
write("FuzzPolicyFile", "word", "public")


def total(data):
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value >> 16) + (value & 0xFFFF)
    return ~value & 0xFFFF


def packet(source, destination, protocol, payload, flags=0x4000):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, flags, 64, protocol, 0) + bytes(source) + bytes(destination)
    return head[:10] + struct.pack(">H", total(head)) + head[12:] + payload


def packet6(source, destination, protocol, payload):
    prefix = bytes([0xFD]) + bytes(14)
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + prefix + bytes([source]) + prefix + bytes([destination]) + payload


def said(*packets):
    return b"".join(bytes([sender]) + struct.pack(">H", len(data)) + data for sender, data in packets)


def segment(source, destination, sequence, acknowledgement, flags, data=b""):
    return struct.pack(">HHIIBBHHH", source, destination, sequence, acknowledgement, 0x50, flags, 1000, 0, 0) + data


one, two = (10, 188, 0, 2), (10, 188, 0, 3)
datagram = struct.pack(">HHHH", 5000, 53, 12, 0) + b"abcd"
write("FuzzPrivateNetworks", "greeting", "sandpiper network 1\nabcdefghijklmnopqrst")
write("FuzzPrivateNetworks", "tcp", said(
    (0, packet(one, two, 6, segment(1000, 80, 1, 0, 2))), (1, packet(two, one, 6, segment(80, 1000, 9, 2, 18))),
    (0, packet(one, two, 6, segment(1000, 80, 2, 10, 16, b"hello"))), (3, packet(two, one, 6, segment(80, 1000, 10, 7, 17))),
    (6, packet(one, two, 6, segment(1000, 80, 7, 11, 17))), (255, packet(two, one, 6, segment(80, 1000, 11, 8, 4)))))
write("FuzzPrivateNetworks", "datagrams", said(
    (0, packet(one, two, 17, datagram)), (1, packet(two, one, 1, b"\3\3\0\0\0\0\0\0" + packet(one, two, 17, datagram))),
    (0, packet(one, two, 17, datagram, 0x2000)), (0, packet(one, two, 17, b"later...", 1)),
    (1, packet(two, one, 1, b"\x08\0\0\0\0\7\0\1")), (0, packet(one, two, 1, b"\0\0\0\0\0\7\0\1")), (1, packet(two, one, 47, b"?"))))
write("FuzzPrivateNetworks", "six", said(
    (0, packet6(2, 3, 6, segment(1, 2, 3, 0, 2))), (1, packet6(3, 2, 58, b"\x80\0\0\0\0\7\0\1")), (0, packet6(2, 3, 58, b"\x81\0\0\0\0\7\0\1")),
    (1, packet6(3, 2, 58, b"\1\4\0\0\0\0\0\0" + packet6(2, 3, 6, segment(1, 2, 3, 0, 2)))), (1, packet6(3, 2, 44, b"\x11\0\0\1\0\0\0\7" + datagram))))

established = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"
made = b"\x05\0\0\x01" + bytes(6)
for name, kind, data in [
    ("http", 0, established + b"SSH-2.0-Lab\r\n"), ("http-password", 5, established),
    ("http-refused", 1, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"),
    ("http-unreachable", 0, b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>"), ("socks", 2, b"\x05\0" + made + b"x"),
    ("socks-name", 6, b"\x05\0\x05\0\0\x03\x01a\0\x50"), ("socks-password", 3, b"\x05\x02\x01\0" + made),
    ("socks-six", 2, b"\x05\0\x05\0\0\x04" + bytes(18)), ("socks-closed", 2, b"\x05\0\x05\x05\0\x01" + bytes(6)),
    ("socks-wrong", 3, b"\x05\x02\x01\x01"), ("url", 8, b"http://ann:s%3Acret@proxy.example.com:3128/"),
    ("url-six", 8, b"socks5://a:b@[2001:db8::40]:1080"),
]:
    write("FuzzProxyHandshake", name, bytes([kind]) + data)
