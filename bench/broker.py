#!/usr/bin/env python3
"""Brokers of a benchmark's own, on free ports of loopback.

    broker.py N PROGRAM [ARGUMENT…]    runs it with --brokers and --data of N brokers (1 or 3), or without them where no
                                       Kafka is on this machine
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "tests/kafka/broker.sh"


def free_ports(count):
    """The first of so many neighbours that nobody listens on."""
    for _ in range(100):
        with contextlib.ExitStack() as sockets:
            port = 0
            try:
                for i in range(count):
                    one = sockets.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port + i if port else 0))
                    port = port or one.getsockname()[1]
            except (OSError, OverflowError):
                continue
            return port
    raise SystemExit(f"no {count} neighbouring ports are free")


@contextlib.contextmanager
def broker(folder, count=1):
    """What clients connect to; None, with a message, where no Kafka is on this machine."""
    if subprocess.run([SCRIPT, "have"]).returncode != 0:
        print("no Kafka on this machine, so nothing is measured; `./dev kafka up` fetches one", file=sys.stderr)
        yield None
        return
    try:
        yield subprocess.run([SCRIPT, "start", folder, str(free_ports(2 * count)), str(count)], check=True,
                             capture_output=True, text=True,
                             env={**os.environ, "TRV_BROKERS_OF": str(os.getpid())}).stdout.strip()
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)


def main(arguments):
    count, command = int(arguments[0]), arguments[1:]
    with tempfile.TemporaryDirectory() as folder, broker(folder, count) as brokers:
        if brokers is not None:
            command = [*command, "--brokers", brokers, "--data", f"{folder}/1/data"]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
