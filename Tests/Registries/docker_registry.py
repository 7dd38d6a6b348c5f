#!/usr/bin/env python3
"""Debian's docker-registry on a free port of the loopback interface, with storage of its own.

Ready line: address (HOST:PORT), ca (path, with --tls), log (path of the registry's own log), storage (path).
"""

import argparse
import json
import os
import re
import subprocess
import threading

from certificates import CertificateAuthority
from server_process import ready, start_child, wait_for_end, work_folder

PROGRAM = "/usr/bin/docker-registry"


def configuration(arguments, folder, authority):
    """The registry's configuration; JSON is YAML as well."""
    http = {"addr": "127.0.0.1:0", "secret": "of the test", "relativeurls": arguments.relative_urls}
    if authority:
        http["tls"] = dict(zip(("certificate", "key"), authority.issue("registry", expired=arguments.expired)))
    result = {
        "version": "0.1", "log": {"level": "info", "accesslog": {"disabled": False}}, "http": http,
        "storage": {"filesystem": {"rootdirectory": os.path.join(folder, "storage")},
                    "delete": {"enabled": True}, "maintenance": {"uploadpurging": {"enabled": False}}},
    }
    if arguments.htpasswd:
        path = os.path.join(folder, "htpasswd")
        for number, entry in enumerate(arguments.htpasswd):
            name, password = entry.split(":", 1)
            # The lowest cost that bcrypt has: it is paid for each request.
            subprocess.run(["htpasswd", "-iBC", "4", *(["-c"] if number == 0 else []), path, name],
                           input=password, text=True, check=True, capture_output=True)
        result["auth"] = {"htpasswd": {"realm": "test", "path": path}}
    if arguments.token_realm:
        result["auth"] = {"token": {"realm": arguments.token_realm, "service": arguments.token_service,
                                    "issuer": arguments.token_issuer, "rootcertbundle": arguments.token_ca}}
    if arguments.mirror_of:
        result["proxy"] = {"remoteurl": arguments.mirror_of}
        if arguments.mirror_user:
            result["proxy"].update(zip(("username", "password"), arguments.mirror_user.split(":", 1)))
    return result


def wait_for_port(process, log):
    """Copies the registry's output to its log, and returns the port that it tells there."""
    for line in process.stdout:
        log.write(line)
        log.flush()
        found = re.search(rb"listening on (?:127\.0\.0\.1|\[::\]):(\d+)", line)
        if found:
            threading.Thread(target=copy, args=(process.stdout, log), daemon=True).start()
            return int(found.group(1))
    raise SystemExit(f"docker-registry ended with status {process.wait()}: see above")


def copy(source, log):
    """Copies lines as they come."""
    for line in source:
        log.write(line)
        log.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--htpasswd", action="append", metavar="USER:PASSWORD", help="ask for a password")
    parser.add_argument("--tls", action="store_true", help="serve under a certificate authority made for this")
    parser.add_argument("--expired", action="store_true", help="with a certificate that is not valid any more")
    parser.add_argument("--mirror-of", metavar="URL", help="fetch what is missing from another registry; no pushes")
    parser.add_argument("--mirror-user", metavar="USER:PASSWORD", help="who the mirror is to the other registry")
    parser.add_argument("--token-realm", metavar="URL", help="ask for tokens of this server")
    parser.add_argument("--token-service", default="registry.test")
    parser.add_argument("--token-issuer", default="token-server.test")
    parser.add_argument("--token-ca", metavar="FILE", help="the authority of the token server's signing key")
    parser.add_argument("--relative-urls", action="store_true", help="answer uploads with relative locations")
    arguments = parser.parse_args()
    with work_folder() as folder:
        authority = CertificateAuthority(os.path.join(folder, "authority")) if arguments.tls else None
        path = os.path.join(folder, "configuration.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(configuration(arguments, folder, authority), file)
        with open(os.path.join(folder, "log"), "wb") as log:
            process = start_child([PROGRAM, "serve", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"})
            try:
                port = wait_for_port(process, log)
                ready(address=f"127.0.0.1:{port}", ca=authority and authority.certificate, log=log.name,
                      storage=os.path.join(folder, "storage"))
                wait_for_end()
            finally:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
