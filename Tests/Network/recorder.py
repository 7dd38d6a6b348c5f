#!/usr/bin/env python3
"""A web server behind nginx that writes down each request and tells its client nothing of it.

    recorder.py PORT FILE

Prints `ready`. A line of JSON in FILE for each request: method, target, protocol (as nginx was spoken to), host,
fields (a list of name and value), body (its first 4000 characters), length and md5 of the body. What each was is in
the file before the request is answered.
"""

import hashlib
import http.server
import json
import sys
import threading

PORT, FILE = int(sys.argv[1]), sys.argv[2]


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of nginx's."""

    protocol_version = "HTTP/1.1"
    _lock = threading.Lock()

    def _record(self):
        length = left = int(self.headers.get("Content-Length", 0))
        digest, begin = hashlib.md5(usedforsecurity=False), b""
        while left > 0:
            block = self.rfile.read(min(left, 1 << 20))
            if not block:
                break
            digest.update(block)
            begin += block[:max(0, 4000 - len(begin))]
            left -= len(block)
        protocol = self.headers.get("X-Lab-Protocol")
        fields = [field for field in self.headers.items() if field[0] != "X-Lab-Protocol"]
        line = json.dumps({"method": self.command, "target": self.path, "protocol": protocol,
                           "host": self.headers.get("Host"), "fields": fields, "body": begin.decode("latin-1"),
                           "length": length, "md5": digest.hexdigest()})
        with self._lock, open(FILE, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"recorded\n")

    do_GET = do_POST = do_PUT = do_HEAD = _record

    def log_message(self, *_words):
        """Says nothing."""


class Server(http.server.ThreadingHTTPServer):
    """A server whose queue is long enough for everybody at once."""

    request_queue_size = 1024
    daemon_threads = True


with Server(("127.0.0.1", PORT), Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
