"""A registry that keeps to the OCI distribution specification, as what the misbehaving ones derive from."""

import base64
import json
import re
import socket
import struct
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from image_source import digest_of
from server_process import authorization_scheme

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<rest>.*)")


class Server(ThreadingHTTPServer):
    """One address of a registry; it may have several."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host, registry, role):
        super().__init__((host, 0), Request)
        self.registry, self.role = registry, role
        self.address = f"{host}:{self.server_port}"

    def start(self):
        """Answers from now on, on threads of its own."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Says nothing: clients that give up are what the tests are about."""


class Request(BaseHTTPRequestHandler):
    """One request, and how it can be answered."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def answer(self):
        """Writes the log, then has the registry answer."""
        split = urllib.parse.urlsplit(self.path)
        self.url_path, self.query = split.path, urllib.parse.parse_qs(split.query)
        self.server.registry.log.write(
            server=self.server.role, method=self.command, path=self.path, range=self.headers.get("Range"),
            authorization=authorization_scheme(self.headers), accept=self.headers.get("Accept"))
        self.server.registry.handle(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def head(self, status, headers):
        """Sends status line and headers."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def send(self, status, body=b"", **headers):
        """Sends a whole answer."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, {"Content-Length": len(body), **headers})
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code, message="", **headers):
        """Sends an error as the specification has it ("Error Codes")."""
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.send(status, body, Content_Type="application/json", **headers)

    def body(self):
        """What was sent along, whole; None if the client ended before."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        return content if len(content) == length else None

    def hang_up(self, reset=False):
        """Ends the connection, with what was sent before delivered, or by a reset."""
        self.close_connection = True
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_WR)

    def wanted_range(self, length):
        """First and last byte of a Range header, or None."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not found:
            return None
        return int(found.group(1)), min(int(found.group(2) or length - 1), length - 1)


class Registry:
    """Serves one image under every name and tag, and takes pushes."""

    def __init__(self, image, options, log):
        self.image, self.options, self.log = image, options, log
        self.lock = threading.Lock()
        self.uploads = {}
        self.tags = {}
        self.token_uses = {}
        self.counts = {}
        self.main = Server("127.0.0.1", self, "main")
        # Another host and port, where a client should not send what it sends to the first.
        self.other = Server("127.0.0.2", self, "other")

    def start(self):
        """Answers on both addresses."""
        self.main.start()
        self.other.start()

    def count(self, key):
        """How often this was called with the key before."""
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + 1
            return self.counts[key] - 1

    # The way of a request.

    def handle(self, request):
        """Answers a request."""
        if request.server is self.main and not self.authorized(request):
            return
        if request.url_path in ("/v2", "/v2/"):
            return request.send(200, b"{}", Content_Type="application/json")
        found = _PATH.fullmatch(request.url_path)
        if not found:
            return request.fail(404, "NOT_FOUND")
        name, rest = found.group("name"), found.group("rest")
        if found.group("kind") == "tags":
            return request.send(200, json.dumps({"name": name, "tags": sorted(self.tags) or ["latest"]}).encode(),
                                Content_Type="application/json")
        if found.group("kind") == "manifests":
            return (self.put_manifest if request.command == "PUT" else self.manifest)(request, name, rest)
        if rest.startswith("uploads/"):
            return self.upload(request, name, rest.removeprefix("uploads/"))
        return self.blob(request, name, rest)

    def authorized(self, request):
        """Whether the client is who it should be; else that is answered."""
        scheme, _, secret = (request.headers.get("Authorization") or "").partition(" ")
        if self.options.basic:
            if scheme.lower() == "basic" and base64.b64decode(secret).decode() == self.options.basic:
                return True
            challenge = 'Basic realm="test"'
        elif self.options.bearer:
            if scheme.lower() == "bearer" and self.use_token(secret):
                return True
            found = _PATH.fullmatch(request.url_path)
            scope = f',scope="repository:{found.group("name")}:pull"' if found else ""
            challenge = f'Bearer realm="{self.options.bearer}",service="registry.test"{scope}'
        else:
            return True
        # What a client sends is read before it is refused: it may send it before it reads.
        request.body()
        request.fail(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
        return False

    def use_token(self, token):
        """Whether a token may be used once more."""
        with self.lock:
            uses = self.token_uses.get(token, 0)
            self.token_uses[token] = uses + 1
        return self.options.token_uses is None or uses < self.options.token_uses

    # Pulls.

    def find_document(self, reference):
        """Digest, media type and bytes of a manifest; None if it is not there."""
        digest = reference if ":" in reference else self.tags.get(reference, self.image.top)
        found = self.image.documents.get(digest)
        return found and (digest, *found)

    def manifest(self, request, _name, reference):
        """Answers a request for a manifest."""
        found = self.find_document(reference)
        if not found:
            return request.fail(404, "MANIFEST_UNKNOWN")
        digest, media_type, content = found
        return request.send(200, content, Content_Type=media_type, Docker_Content_Digest=digest)

    def blob(self, request, _name, digest):
        """Answers a request for a blob."""
        content = self.image.blobs.get(digest)
        if content is None:
            return request.fail(404, "BLOB_UNKNOWN")
        if request.command == "HEAD":
            return Registry.send_blob(self, request, digest, content)
        return self.send_blob(request, digest, content)

    def send_blob(self, request, digest, content):
        """Sends a blob or a range of it."""
        wanted = request.wanted_range(len(content))
        if wanted is None:
            return request.send(200, content, Content_Type="application/octet-stream", Accept_Ranges="bytes",
                                Docker_Content_Digest=digest)
        first, last = wanted
        if first >= len(content):
            return request.send(416, Content_Range=f"bytes */{len(content)}")
        return request.send(206, content[first:last + 1], Content_Type="application/octet-stream",
                            Content_Range=f"bytes {first}-{last}/{len(content)}")

    # Pushes.

    def location(self, name, session):
        """Where an upload goes on."""
        return f"http://{self.main.address}/v2/{name}/blobs/uploads/{session}?state=opaque%3D1"

    def upload(self, request, name, session):
        """Answers a request of an upload."""
        if request.command == "POST":
            mounted = request.query.get("mount", [None])[0]
            if mounted in self.image.blobs:
                return request.send(201, Location=f"/v2/{name}/blobs/{mounted}", Docker_Content_Digest=mounted)
            session = str(uuid.uuid4())
            self.uploads[session] = bytearray()
            if "digest" not in request.query:
                request.body()
                return request.send(202, Location=self.location(name, session), Range="0-0",
                                    Docker_Upload_UUID=session)
        content = self.uploads.get(session)
        if content is None:
            request.body()
            return request.fail(404, "BLOB_UPLOAD_UNKNOWN")
        if request.command == "DELETE":
            del self.uploads[session]
            return request.send(204)
        if request.command == "GET":
            return request.send(204, Location=self.location(name, session), Range=f"0-{max(len(content) - 1, 0)}")
        received = request.body()
        if received is None:
            return request.hang_up()
        content += received
        if request.command == "PATCH":
            return self.patched(request, name, session, content)
        digest = request.query["digest"][0]
        if digest_of(bytes(content), digest.split(":")[0]) != digest:
            return request.fail(400, "DIGEST_INVALID")
        self.image.blobs[digest] = bytes(content)
        del self.uploads[session]
        return request.send(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)

    def patched(self, request, name, session, content):
        """Answers a piece of an upload."""
        request.send(202, Location=self.location(name, session), Range=f"0-{max(len(content) - 1, 0)}")

    def put_manifest(self, request, name, reference):
        """Takes a manifest."""
        content = request.body()
        value = json.loads(content)
        parts = [value["config"], *value["layers"]] if "layers" in value else []
        if missing := [part["digest"] for part in parts if part["digest"] not in self.image.blobs]:
            return request.fail(400, "MANIFEST_BLOB_UNKNOWN", " ".join(missing))
        digest = digest_of(content)
        self.image.documents[digest] = (request.headers.get("Content-Type"), content)
        if ":" not in reference:
            self.tags[reference] = digest
        return request.send(201, Location=f"/v2/{name}/manifests/{digest}", Docker_Content_Digest=digest)
