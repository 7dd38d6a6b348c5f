#!/usr/bin/env python3
"""A docker engine of its own, for root and where Debian's docker.io is installed; the one the benchmarks use.

Ready line: address (of its socket, for `docker -H`), log (path).
"""

import argparse
import os
import sys

from server_process import ready, wait_for_end, work_folder

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Benchmarks"))
from docker_engine import DockerEngine  # noqa: E402  (found by the line before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True, metavar="PATH", help="an archive that it holds from the start")
    arguments = parser.parse_args()
    with work_folder():
        engine = DockerEngine(arguments.image)
        with engine as docker:
            if docker is None:
                raise SystemExit(engine.reason)
            address = docker.command()[2]
            ready(address=address, log=os.path.join(os.path.dirname(address.removeprefix("unix://")), "log"))
            wait_for_end()


if __name__ == "__main__":
    main()
