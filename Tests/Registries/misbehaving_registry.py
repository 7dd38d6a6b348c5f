#!/usr/bin/env python3
"""A registry that serves an image under every name and tag, and misbehaves as it is told.

What it serves (--serve) and how (--fault) can be combined; `--list` tells all there is of both.

Ready line: address (HOST:PORT), other (HOST:PORT of another host that redirects and uploads may lead to), ca (path, with
--tls), digest (of the manifest or index that tags stand for), log (path).
The fault `stall` prints a further line each time it strikes: stalled (path).
A line of the log, for each request: server (main or other), method, path, range, authorization (scheme or null), accept.
"""

import argparse
import os
import ssl

from certificates import CertificateAuthority
from image_kinds import KINDS
from image_source import read_image
from registry import Registry
from registry_faults import FAULTS
from server_process import RequestLog, ready, wait_for_end, work_folder


def serve_tls(server, authority):
    """Has a server speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("misbehaving-registry"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list kinds of images and faults")
    parser.add_argument("--image", metavar="PATH", help="an OCI layout: a folder or a tar archive")
    parser.add_argument("--serve", choices=KINDS, default="whole", metavar="KIND")
    parser.add_argument("--fault", choices=FAULTS, metavar="FAULT")
    parser.add_argument("--times", type=int, help="how often the fault strikes at a path; always if it is not said")
    parser.add_argument("--bytes", type=int, help="a number of bytes, for kinds and faults that have one")
    parser.add_argument("--count", type=int, help="a number, for kinds that have one")
    parser.add_argument("--interval", type=float, default=1, help="seconds between the bytes of slow answers")
    parser.add_argument("--retry-after", default="1")
    parser.add_argument("--location", metavar="TEXT", help="the header of faults that have one to be chosen")
    parser.add_argument("--no-ranges", action="store_true", help="know no ranges")
    parser.add_argument("--reset", action="store_true", help="end connections by a reset")
    parser.add_argument("--basic", metavar="USER:PASSWORD", help="ask for a password")
    parser.add_argument("--bearer", metavar="REALM", help="ask for a token; any is taken")
    parser.add_argument("--token-uses", type=int, help="how often a token is taken before a new one is asked for")
    parser.add_argument("--tls", action="store_true", help="serve under a certificate authority made for this")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.list:
        for title, entries in (("kinds:", KINDS), ("faults:", FAULTS)):
            print(title)
            for name, entry in entries.items():
                print(f"  {name:20} {entry.__doc__}")
        return
    with work_folder() as folder:
        image = KINDS[arguments.serve](read_image(arguments.image), arguments)
        # The faults that have a number of bytes strike early if it is not said.
        arguments.bytes = 1000 if arguments.bytes is None else arguments.bytes
        log = RequestLog(os.path.join(folder, "requests"))
        registry = (FAULTS[arguments.fault] if arguments.fault else Registry)(image, arguments, log)
        authority = None
        if arguments.tls:
            authority = CertificateAuthority(os.path.join(folder, "authority"))
            serve_tls(registry.main, authority)
        registry.start()
        ready(address=registry.main.address, other=registry.other.address, ca=authority and authority.certificate,
              digest=image.top, log=log.path)
        wait_for_end()


if __name__ == "__main__":
    main()
