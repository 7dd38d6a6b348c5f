#!/usr/bin/env python3
"""Issues tokens in the format that docker-registry accepts: JSON web tokens signed with RS256.

Understood are `GET /token` with or without basic authentication (distribution, "Token Authentication Specification") and
`POST /token` ("Token Authentication Specification (OAuth 2)") with a password or a refresh token.

Ready line: address, realm (URL of /token), service, issuer, ca (path of the signing key's authority), log (path).
A line of the log: method, authorization (scheme or null), grant (or null), account, service, scopes, status.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from certificates import CertificateAuthority
from server_process import RequestLog, authorization_scheme, ready, wait_for_end, work_folder

# docker-registry accepts a token for a minute after its end, in case clocks differ.
LEEWAY = 60


def base64url(content):
    """Base 64 as RFC 7515 wants it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Signer:
    """Signs tokens with a key whose certificate is sent along (RFC 7515, "x5c")."""

    def __init__(self, folder):
        authority = CertificateAuthority(os.path.join(folder, "authority"))
        self.authority = authority.certificate
        certificate, self._key = authority.issue("token-signing", rsa=True)
        der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self._header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}

    def sign(self, claims):
        """The token of these claims."""
        parts = [base64url(json.dumps(part).encode()) for part in (self._header, claims)]
        text = ".".join(parts).encode()
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._key], input=text, check=True,
                                   capture_output=True).stdout
        return text.decode() + "." + base64url(signature)


class TokenServer(ThreadingHTTPServer):
    """The users, the rules and what was issued."""

    daemon_threads = True

    def __init__(self, arguments, signer, log):
        super().__init__(("127.0.0.1", 0), Handler)
        self.arguments, self.signer, self.log = arguments, signer, log
        self.users = dict(entry.split(":", 1) for entry in arguments.user)
        self.refresh_tokens = {}
        self._lock = threading.Lock()

    def granted(self, account, scope):
        """The access entry for `type:name:actions`: who is known may do all, others pull if anyone may."""
        kind, rest = scope.split(":", 1)
        name, actions = rest.rsplit(":", 1)
        allowed = actions.split(",")
        if account is None:
            allowed = [action for action in allowed if action == "pull" and self.arguments.anonymous_pull]
        return {"type": kind, "name": name, "actions": allowed}

    def issue(self, account, service, scopes):
        """A token for these scopes."""
        now = int(time.time())
        lifetime = self.arguments.lifetime
        return self.signer.sign({
            "iss": self.arguments.issuer, "sub": account or "", "aud": service, "jti": secrets.token_hex(8),
            "iat": now, "nbf": now - LEEWAY - 10, "exp": now + lifetime - LEEWAY,
            "access": [self.granted(account, scope) for scope in scopes]})

    def new_refresh_token(self, account):
        """A token that stands for a password."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self.refresh_tokens[token] = account
        return token


class Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    protocol_version = "HTTP/1.1"
    server: TokenServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scheme = authorization_scheme(self.headers)
        account = None
        if scheme == "basic":
            name, _, password = base64.b64decode(self.headers["Authorization"][6:]).decode().partition(":")
            # A refresh token is sent as the password of a user called <token>.
            account = self.server.refresh_tokens.get(password) if name == "<token>" else name
            if account is None or (name != "<token>" and self.server.users.get(name) != password):
                return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]},
                                   query, None, None)
        elif self.server.arguments.no_anonymous:
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}, query, None, None)
        body = self.token(account, query, "access_token" if self.server.arguments.access_token_only else "token")
        if query.get("offline_token") == ["true"] and account:
            body["refresh_token"] = self.server.new_refresh_token(account)
        return self.answer(200, body, query, None, account)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = urllib.parse.parse_qs(self.rfile.read(length).decode())
        grant = form.get("grant_type", [""])[0]
        if self.server.arguments.no_oauth2:
            return self.answer(405, {"errors": []}, form, grant, None)
        if grant == "refresh_token":
            account = self.server.refresh_tokens.get(form.get("refresh_token", [""])[0])
        else:
            name = form.get("username", [""])[0]
            known = name in self.server.users and self.server.users[name] == form.get("password", [None])[0]
            account = name if grant == "password" and known else None
        if account is None or not form.get("client_id"):
            return self.answer(401, {"error": "invalid_grant"}, form, grant, None)
        body = self.token(account, form, "access_token")
        body["scope"] = " ".join(form.get("scope", []))
        if grant == "refresh_token" or form.get("access_type") == ["offline"]:
            body["refresh_token"] = self.server.new_refresh_token(account)
        return self.answer(200, body, form, grant, account)

    def token(self, account, parameters, field):
        """The fields that tell of a token."""
        service = parameters.get("service", [""])[0]
        body = {field: self.server.issue(account, service, self.scopes(parameters))}
        if self.server.arguments.expires_in is not None:
            body["expires_in"] = self.server.arguments.expires_in
            body["issued_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return body

    @staticmethod
    def scopes(parameters):
        """The scopes asked for, however they are put."""
        return [scope for entry in parameters.get("scope", []) for scope in entry.split()]

    def answer(self, status, body, parameters, grant, account):
        """Writes the log, then answers."""
        self.server.log.write(method=self.command, authorization=authorization_scheme(self.headers), grant=grant,
                              account=account, service=parameters.get("service", [None])[0],
                              scopes=self.scopes(parameters), status=status)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD")
    parser.add_argument("--anonymous-pull", action="store_true", help="who gives no name may pull")
    parser.add_argument("--no-anonymous", action="store_true", help="who gives no name gets no token at all")
    parser.add_argument("--lifetime", type=int, default=300, help="seconds until the registry refuses a token")
    parser.add_argument("--expires-in", type=int, help="seconds until then as the client is told; else not told")
    parser.add_argument("--access-token-only", action="store_true", help="call the token access_token, as some do")
    parser.add_argument("--no-oauth2", action="store_true", help="refuse POST, as many do")
    parser.add_argument("--service", default="registry.test")
    parser.add_argument("--issuer", default="token-server.test")
    arguments = parser.parse_args()
    with work_folder() as folder:
        log = RequestLog(os.path.join(folder, "requests"))
        signer = Signer(folder)
        server = TokenServer(arguments, signer, log)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = "127.0.0.1:%d" % server.server_port
        ready(address=address, realm=f"http://{address}/token", service=arguments.service, issuer=arguments.issuer,
              ca=signer.authority, log=log.path)
        wait_for_end()


if __name__ == "__main__":
    main()
