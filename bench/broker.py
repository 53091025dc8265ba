"""A broker of a benchmark's own, on free ports of loopback."""

import contextlib
import pathlib
import socket
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "tests/kafka/broker.sh"


def free_ports():
    """The first of two neighbours that nobody listens on."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            try:
                second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            except OSError:
                continue
            return first.getsockname()[1]
    raise SystemExit("no two neighbouring ports are free")


@contextlib.contextmanager
def broker(folder):
    """What clients connect to; None, with a message, where no Kafka is on this machine."""
    if subprocess.run([SCRIPT, "have"]).returncode != 0:
        print("no Kafka on this machine, so nothing is measured; `./dev kafka up` fetches one", file=sys.stderr)
        yield None
        return
    try:
        yield subprocess.run([SCRIPT, "start", folder, str(free_ports())], check=True, capture_output=True,
                             text=True).stdout.strip()
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)
