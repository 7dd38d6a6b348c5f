"""Registries that misbehave. The class's name is the fault's, its doc comment tells what it does; the numbers come from
the options of the command line.

`--times` is how often a fault strikes at one path before the registry behaves; without it, it always does.
"""

import email.utils
import json
import re
import time
import urllib.parse

from image_source import digest_of, encode
from registry import Registry
from server_process import ready


class Fault(Registry):
    """What the faults share."""

    def strikes(self, request):
        """Whether it is still the time to misbehave at this path."""
        # Each upload has a path of its own, so all of them count as one.
        path = re.sub(r"uploads/.+", "uploads", request.url_path)
        return self.options.times is None or self.count(f"{request.command} {path}") < self.options.times


# Connections that end.

class Cut(Fault):
    """Ends the connection after --bytes bytes of a blob's answer; --no-ranges knows no ranges, --reset resets."""

    def send_blob(self, request, digest, content):
        first, last = (not self.options.no_ranges and request.wanted_range(len(content))) or (0, len(content) - 1)
        if not self.strikes(request) or last + 1 - first <= self.options.bytes:
            if self.options.no_ranges:
                del request.headers["Range"]
            return super().send_blob(request, digest, content)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": last + 1 - first}
        if not self.options.no_ranges:
            headers["Accept-Ranges"] = "bytes"
        if first:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        request.head(206 if first else 200, headers)
        request.wfile.write(content[first:first + self.options.bytes])
        return request.hang_up(self.options.reset)


class Changing(Cut):
    """As cut, but from the second request on a blob is another of the same length."""

    def send_blob(self, request, digest, content):
        if self.count(digest):
            content = bytes(byte ^ 1 for byte in content)
        return super().send_blob(request, digest, content)


class WrongRange(Cut):
    """As cut, but a range is answered by the bytes from another place."""

    def send_blob(self, request, digest, content):
        wanted = request.wanted_range(len(content))
        if not wanted:
            return super().send_blob(request, digest, content)
        return request.send(206, content[:wanted[1] + 1 - wanted[0]],
                            Content_Range=f"bytes 0-{wanted[1] - wanted[0]}/{len(content)}")


class CutManifest(Fault):
    """Ends the connection in the middle of a manifest."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        if not found or request.command == "HEAD" or not self.strikes(request):
            return super().manifest(request, name, reference)
        request.head(200, {"Content-Type": found[1], "Content-Length": len(found[2])})
        request.wfile.write(found[2][:-10])
        return request.hang_up()


class HangUp(Fault):
    """Ends every connection without a word."""

    def handle(self, request):
        if not self.strikes(request):
            return super().handle(request)
        return request.hang_up(self.options.reset)


# Answers that are errors.

class Busy(Fault):
    """Answers 429 with Retry-After --retry-after: seconds, `date` for a date in a second, or `none`."""

    status, code = 429, "TOOMANYREQUESTS"

    def handle(self, request):
        if not self.strikes(request):
            return super().handle(request)
        request.body()
        after = self.options.retry_after
        if after == "date":
            after = email.utils.formatdate(time.time() + 1, usegmt=True)
        headers = {} if after == "none" else {"Retry_After": after}
        return request.fail(self.status, self.code, "slow down", **headers)


class Unavailable(Busy):
    """Answers 503, otherwise as busy."""

    status, code = 503, "UNAVAILABLE"


class Failing(Fault):
    """Answers 500 to everything, with control characters in its message."""

    def handle(self, request):
        if not self.strikes(request):
            return super().handle(request)
        request.body()
        return request.fail(500, "UNKNOWN", "it \x1b[31mburns\x07\r\n" + "a" * 5000)


class Denied(Fault):
    """Answers 403 to everything but the look whether it is a registry."""

    def manifest(self, request, name, reference):
        return request.fail(403, "DENIED", "requested access to the resource is denied")

    put_manifest = manifest

    def blob(self, request, name, digest):
        return request.fail(403, "DENIED", "requested access to the resource is denied")

    def upload(self, request, name, session):
        request.body()
        return request.fail(403, "DENIED", "requested access to the resource is denied")


# Redirects.

class Redirect(Fault):
    """Sends whoever wants a blob to another host and port, which serves it."""

    def blob(self, request, name, digest):
        if request.server is self.other:
            return super().blob(request, name, digest)
        return request.send(307, Location=f"http://{self.other.address}{request.path}?signature=secret")


class RedirectRelative(Fault):
    """Sends whoever wants a blob to another path of the same server, without naming it."""

    def blob(self, request, name, digest):
        if request.query:
            return super().blob(request, name, digest)
        return request.send(302, Location=f"{request.url_path}?here=1")


class RedirectLoop(Fault):
    """Sends whoever wants a blob back to where it came from."""

    def blob(self, request, name, digest):
        return request.send(307, Location=f"http://{self.main.address}{request.url_path}")


class RedirectEndless(Fault):
    """Sends whoever wants a blob on and on, to the other host and back."""

    def blob(self, request, name, digest):
        number = int(request.query.get("n", ["0"])[0]) + 1
        server = self.other if request.server is self.main else self.main
        return request.send(307, Location=f"http://{server.address}{request.url_path}?n={number}")


class RedirectNowhere(Fault):
    """Sends whoever wants a blob to --location, which need not be a URL; without it, nowhere."""

    def blob(self, request, name, digest):
        return request.send(307, **({"Location": self.options.location} if self.options.location else {}))


# Answers that take their time.

class SlowHeaders(Fault):
    """Sends the headers of an answer a byte each --interval seconds."""

    def handle(self, request):
        if not self.strikes(request):
            return super().handle(request)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: " + b"x" * 100_000:
            request.wfile.write(bytes([byte]))
            time.sleep(self.options.interval)
        return request.hang_up()


class SlowBody(Fault):
    """Sends a blob a byte each --interval seconds."""

    def send_blob(self, request, digest, content):
        if not self.strikes(request):
            return super().send_blob(request, digest, content)
        request.head(200, {"Content-Length": len(content), "Accept-Ranges": "bytes"})
        for byte in content:
            request.wfile.write(bytes([byte]))
            time.sleep(self.options.interval)


class SlowManifest(Fault):
    """Sends a manifest a byte each --interval seconds."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        if not found or request.command == "HEAD" or not self.strikes(request):
            return super().manifest(request, name, reference)
        request.head(200, {"Content-Type": found[1], "Content-Length": len(found[2])})
        for byte in found[2]:
            request.wfile.write(bytes([byte]))
            time.sleep(self.options.interval)


class Silent(Fault):
    """Takes requests and never answers."""

    def handle(self, request):
        if not self.strikes(request):
            return super().handle(request)
        # Ends when the client hangs up.
        return request.rfile.read()


class Stall(Fault):
    """Sends --bytes bytes of a layer, or of a manifest with --location manifest, prints a line, and then no more."""

    def stall(self, request, content):
        request.head(200, {"Content-Length": len(content)})
        request.wfile.write(content[:self.options.bytes])
        ready(stalled=request.path)
        # Ends when the client hangs up.
        return request.rfile.read()

    def send_blob(self, request, digest, content):
        # Configurations are smaller than any layer worth stalling.
        wants_more = len(content) > max(self.options.bytes, 10_000) and self.options.location != "manifest"
        if request.headers.get("Range") or not wants_more or not self.strikes(request):
            return super().send_blob(request, digest, content)
        return self.stall(request, content)

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        if not found or request.command == "HEAD" or self.options.location != "manifest":
            return super().manifest(request, name, reference)
        return self.stall(request, found[2])


# Answers without an end.

class EndlessBlob(Fault):
    """Sends blobs without a length and without an end."""

    def send_blob(self, request, digest, content):
        return flood(request, content)


class EndlessManifest(Fault):
    """Sends manifests without a length and without an end."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        if not found or request.command == "HEAD":
            return super().manifest(request, name, reference)
        return flood(request, found[2][:-1] + b',"x":"', found[1])


class EndlessError(Fault):
    """Answers 400 with a message without an end."""

    def handle(self, request):
        return flood(request, b'{"errors":[{"code":"', "application/json", status=400)


class EndlessHeaders(Fault):
    """Sends headers without an end."""

    def handle(self, request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1 << 40):
            request.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))


class HugeHeader(Fault):
    """Sends one header without an end."""

    def handle(self, request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            request.wfile.write(b"x" * 65_536)


def flood(request, start, media_type="application/octet-stream", status=200):
    """Answers with chunks until the client hangs up."""
    request.head(status, {"Content-Type": media_type, "Transfer-Encoding": "chunked"})
    request.wfile.write(b"%x\r\n%s\r\n" % (len(start), start) if start else b"")
    while True:
        request.wfile.write(b"10000\r\n" + b"y" * 0x10000 + b"\r\n")


# Headers that are wrong, missing, or odd.

class LengthTooLong(Fault):
    """Says that blobs are 1000 bytes longer than what it sends before it ends the connection."""

    def send_blob(self, request, digest, content):
        request.head(200, {"Content-Length": len(content) + 1000})
        request.wfile.write(content)
        return request.hang_up()


class LengthTooShort(Fault):
    """Says that blobs are 1000 bytes shorter than what it sends."""

    def send_blob(self, request, digest, content):
        request.head(200, {"Content-Length": max(len(content) - 1000, 0)})
        request.wfile.write(content)
        return request.hang_up()


class LengthNonsense(Fault):
    """Says that blobs have a length of --location."""

    def send_blob(self, request, digest, content):
        request.head(200, {"Content-Length": self.options.location or "-1"})
        request.wfile.write(content)
        return request.hang_up()


class NoLength(Fault):
    """Sends documents and blobs without a length, up to the end of the connection, which is allowed."""

    def send(self, request, content, media_type):
        request.head(200, {"Content-Type": media_type, "Connection": "close"})
        if request.command != "HEAD":
            request.wfile.write(content)
        return request.hang_up()

    def send_blob(self, request, digest, content):
        return self.send(request, content, "application/octet-stream")

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        return self.send(request, found[2], found[1])


class Chunked(Fault):
    """Sends blobs in chunks of --bytes bytes, which is allowed."""

    def send_blob(self, request, digest, content):
        request.head(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(content), self.options.bytes):
            piece = content[start:start + self.options.bytes]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        request.wfile.write(b"0\r\n\r\n")


class NoType(Fault):
    """Sends no Content-Type and no digest."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        return request.send(200, found[2]) if found else request.fail(404, "MANIFEST_UNKNOWN")


class OddType(Fault):
    """Sends manifests as --location, text/plain if it is not said."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        return request.send(200, found[2], Content_Type=self.options.location or "text/plain")


class LoginPage(Fault):
    """Answers everything with a page for people, as hotels do."""

    def handle(self, request):
        request.send(200, b"<html>please log in</html>", Content_Type="text/html")


class NotHTTP(Fault):
    """Answers with what is no HTTP."""

    def handle(self, request):
        request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        request.hang_up()


class WrongDigestHeader(Fault):
    """Says that a manifest has another digest than it has."""

    def manifest(self, request, name, reference):
        found = self.find_document(reference)
        return request.send(200, found[2], Content_Type=found[1], Docker_Content_Digest=digest_of(b"another"))


class WrongManifest(Fault):
    """Answers a request for a manifest by digest with another manifest."""

    def manifest(self, request, name, reference):
        if ":" not in reference:
            return super().manifest(request, name, reference)
        _, media_type, content = self.find_document(reference)
        value = json.loads(content)
        value["annotations"] = {"another": "one"}
        return request.send(200, encode(value), Content_Type=media_type, Docker_Content_Digest=reference)


class MovingTag(Fault):
    """Has another manifest under the tag for each request; all of them are right."""

    def manifest(self, request, name, reference):
        if ":" not in reference:
            media_type, content = self.image.documents[self.image.top]
            value = json.loads(content)
            value["annotations"] = {"number": str(self.count("manifest"))}
            self.image.document(media_type, value)
        return super().manifest(request, name, reference)


# Faults of uploads.

class RelativeLocation(Fault):
    """Has uploads go on at a location that names no server, which is allowed."""

    def location(self, name, session):
        return f"/v2/{name}/blobs/uploads/{session}?state=1"


class ForeignLocation(Fault):
    """Has uploads go on at another host and port, which takes them."""

    def location(self, name, session):
        return f"http://{self.other.address}/v2/{name}/blobs/uploads/{session}?signature=secret"


class NoLocation(Fault):
    """Does not say where uploads go on."""

    def upload(self, request, name, session):
        request.body()
        return request.send(202)


class NoUploadRange(Fault):
    """Does not say how much of an upload has arrived."""

    def patched(self, request, name, session, content):
        request.send(202, Location=self.location(name, session))


class CutUpload(Fault):
    """Ends the connection after --bytes bytes of what is uploaded, and has kept none of it."""

    def upload(self, request, name, session):
        if request.command not in ("PATCH", "PUT") or not self.strikes(request):
            return super().upload(request, name, session)
        request.rfile.read(min(self.options.bytes, int(request.headers.get("Content-Length") or self.options.bytes)))
        return request.hang_up(reset=True)


class UnavailableUpload(CutUpload):
    """Answers 503 to what is uploaded, after it has read it."""

    def upload(self, request, name, session):
        if request.command not in ("PATCH", "PUT") or not self.strikes(request):
            return Registry.upload(self, request, name, session)
        request.body()
        return request.fail(503, "UNAVAILABLE", Retry_After="0")


class ForeignRealm(Fault):
    """Asks for a token of the other host, which takes down who asks with what, and gives none."""

    def handle(self, request):
        if request.server is self.other:
            return request.fail(401, "UNAUTHORIZED")
        realm = f"http://{self.other.address}/token"
        request.body()
        return request.fail(401, "UNAUTHORIZED",
                            WWW_Authenticate=f'Bearer realm="{realm}",service="s",scope="repository:x:pull"')


class OddChallenge(Fault):
    """Asks for authorization in the words of --location, which need not be right."""

    def handle(self, request):
        request.body()
        return request.fail(401, "UNAUTHORIZED", **(
            {"WWW_Authenticate": urllib.parse.unquote(self.options.location)} if self.options.location else {}))


def _faults(base):
    for fault in base.__subclasses__():
        yield fault
        yield from _faults(fault)


FAULTS = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", fault.__name__).lower(): fault for fault in _faults(Fault)}
