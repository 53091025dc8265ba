#!/usr/bin/env python3
"""How long a tenant's commands wait when the node that owns its shard is killed or drained, or a broker is killed.

    takeover.py BUILD [ROUNDS]

Two travd share the shards of a topic on brokers of their own: one, then three. Three tenants, each on a shard of its own,
start instances through the node that lives on, one after the other. A round kills the other node (kill -9) or drains it, or
kills one of the three brokers, each in its turn, and takes the longest time without an answer of success; it compares with
the longest such time before the round. One JSON line for each kind, as the programs of bench/ print. The session is 1 s, the
least.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from broker import SCRIPT, broker
from cluster import Client, Node, create_tenant, create_topic, settle


def measure(first, clients, rounds, end, begin_again, nodes_left=1):
    """Seconds without an answer: of each round, and the longest before them."""
    waits, quiet = [], 0
    for _ in range(rounds):
        settle(first, first.token, 2)
        time.sleep(2)
        began = time.monotonic()
        quiet = max(quiet, *(one.longest(began - 1.5, began) for one in clients))
        end()
        settle(first, first.token, nodes_left)
        counts = [len(one.times) for one in clients]
        deadline = time.monotonic() + 180
        while any(one.error is None and len(one.times) < count + 2 for one, count in zip(clients, counts)):
            if time.monotonic() > deadline:
                raise SystemExit("takeover.py: no answers of success for three minutes")
            time.sleep(0.01)
        for one in clients:
            if one.error is not None:
                raise SystemExit(f"takeover.py: tenant {one.tenant}: {one.error}")
        waits.append(max(one.longest(began, time.monotonic()) for one in clients))
        begin_again()
    return sorted(waits), quiet


def report(name, waits, quiet):
    print(json.dumps({"name": name, "value": round(1000 * waits[len(waits) // 2]), "unit": "ms, median",
                      "p99": round(1000 * waits[min(len(waits) - 1, len(waits) * 99 // 100)]),
                      "all": [round(1000 * one) for one in waits], "rounds": len(waits),
                      "compares_with": "the longest time without an answer before", "quiet": round(1000 * quiet)},
                     separators=(",", ":")), flush=True)


class Brokers:
    """Ends the three of them in turn."""

    def __init__(self, folder, addresses):
        self.folder, self.addresses, self.down = folder, addresses.split(","), 0

    def kill(self):
        self.down = self.down % 3 + 1
        os.kill(int((self.folder / str(self.down) / "pid").read_text()), signal.SIGKILL)

    def start(self):
        subprocess.run([SCRIPT, "again", self.folder, str(self.down)], check=True)
        host, port = self.addresses[self.down - 1].split(":")
        for _ in range(600):
            with socket.socket() as one:
                if one.connect_ex((host, int(port))) == 0:
                    break
            time.sleep(0.1)
        time.sleep(3)  # its copies catch up


def run(build, folder, brokers, rounds, three=None):
    create_topic(build, folder, brokers, "takeover", 4)
    nodes = []
    try:
        for name in ("first", "second"):
            nodes.append(Node(build, folder, name, 4, brokers, "takeover"))
        first, second = nodes
        clients = []
        for tenant in ("a", "b", "c"):
            token = create_tenant(first, first.token, tenant)
            clients.append(Client(first, tenant, token))
        for client in clients:
            client.start()
        if three is not None:
            report("takeover_broker_killed", *measure(first, clients, rounds, three.kill, three.start, 2))
        else:
            report("takeover_killed", *measure(first, clients, rounds, lambda: second.end(signal.SIGKILL), second.start))
            report("takeover_drained", *measure(
                first, clients, rounds, lambda: first.insist(first.token, "POST", "/v1/nodes/second/drain"),
                lambda: second.insist(first.token, "POST", "/v1/nodes/second/resume")))
        for client in clients:
            client.is_over = True
            client.join(60)
    finally:
        for node in nodes:
            if node.process.poll() is None:
                node.end(signal.SIGKILL)


def main(arguments):
    build = pathlib.Path(arguments[0]).resolve()
    rounds = int(arguments[1]) if len(arguments) > 1 else 5
    for count in (1, 3):
        with tempfile.TemporaryDirectory() as text, broker(pathlib.Path(text) / "broker", count) as brokers:
            folder = pathlib.Path(text)
            if brokers is not None:
                run(build, folder, brokers, rounds, Brokers(folder / "broker", brokers) if count == 3 else None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
