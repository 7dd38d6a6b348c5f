#!/usr/bin/env python3
"""A proxy for HTTP: takes CONNECT, and requests with absolute URLs; asks for a password if told to.

Ready line: address (HOST:PORT), log (path). A line of the log: method, target, authorization (scheme or null).
"""

import argparse
import base64
import http.client
import os
import select
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from server_process import RequestLog, ready, wait_for_end, work_folder


class Proxy(ThreadingHTTPServer):
    """The proxy's one address."""

    daemon_threads = True

    def __init__(self, log, user, destination):
        super().__init__(("127.0.0.1", 0), Request)
        self.destination = destination
        self.log = log
        self.expected = user and "Basic " + base64.b64encode(user.encode()).decode()


class Request(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_):
        pass

    def admitted(self):
        """Writes the log; whether the client may go on, else that is answered."""
        given = self.headers.get("Proxy-Authorization")
        self.server.log.write(method=self.command, target=self.path,
                              authorization=given and given.split(" ", 1)[0].lower())
        if self.server.expected in (None, given):
            return True
        self.send_response_only(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_CONNECT(self):
        if not self.admitted():
            return
        host, port = (self.server.destination or self.path).rsplit(":", 1)
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response_only(200)
            self.end_headers()
            self.close_connection = True
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                for source in select.select(list(ends), [], [])[0]:
                    content = source.recv(65_536)
                    if not content:
                        return
                    ends[source].sendall(content)

    def forward(self):
        """Sends a request on to the server of its URL."""
        if not self.admitted():
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in ("proxy-authorization", "connection", "proxy-connection")}
        upstream = http.client.HTTPConnection(self.server.destination or url.netloc)
        upstream.request(self.command, urllib.parse.urlunsplit(("", "", url.path, url.query, "")), body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", metavar="USER:PASSWORD", help="ask for a password")
    parser.add_argument("--to", metavar="HOST:PORT", help="where every connection leads, whatever its name")
    arguments = parser.parse_args()
    with work_folder() as folder:
        log = RequestLog(os.path.join(folder, "requests"))
        server = Proxy(log, arguments.user, arguments.to)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ready(address=f"127.0.0.1:{server.server_port}", log=log.path)
        wait_for_end()


if __name__ == "__main__":
    main()
