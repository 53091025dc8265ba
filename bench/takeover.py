#!/usr/bin/python3
"""How long a tenant's commands wait when the node that owns its shard is killed or drained, or a broker is killed.

    takeover.py BUILD [ROUNDS] [killed|drained|broker_killed …]    these parts alone

Two travd share the shards of a topic on brokers of their own: one, then three. Three tenants, each on a shard of its own,
start instances through the node that lives on, one after the other. A round kills the other node (kill -9) or drains it, or
kills the broker that leads the shard of one of the tenants, each in its turn, when all copies are in sync, and takes the
longest time without an answer of success; it compares with the longest such time before the round. One JSON line for each
kind, as the programs of bench/ print. The session is the default of kafka.session_ms.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker import SCRIPT, broker
from cluster import Client, Node, create_tenant, create_topic, settle

TOPIC = "takeover"
LOOK_S = 5  # after the end; what the session's end brings comes later than the first answers
PARTS = ("killed", "drained", "broker_killed")


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
        time.sleep(max(0.0, began + LOOK_S - time.monotonic()))
        for one in clients:
            if one.error is not None:
                raise SystemExit(f"takeover.py: tenant {one.tenant}: {one.error}")
        waits.append(max(one.longest(began, time.monotonic()) for one in clients))
        begin_again()
    return waits, quiet


def report(name, waits, quiet):
    waits = sorted(waits)
    print(json.dumps({"name": name, "value": round(1000 * waits[len(waits) // 2]), "unit": "ms, median",
                      "p99": round(1000 * waits[min(len(waits) - 1, len(waits) * 99 // 100)]),
                      "all": [round(1000 * one) for one in waits], "rounds": len(waits),
                      "compares_with": "the longest time without an answer before", "quiet": round(1000 * quiet)},
                     separators=(",", ":")), flush=True)


class Brokers:
    """Three of them; kills the leader of one tenant's shard after the other."""

    def __init__(self, folder, addresses, topic):
        self.folder, self.addresses, self.topic, self.round, self.down = folder, addresses.split(","), topic, 0, None
        self.activated, self.was_controller = 0, []  # the latter of each round
        self.admin = AdminClient({"bootstrap.servers": addresses, "log_level": 0})

    def partitions(self):
        """Of the topic and of the nodes' group; empty while the brokers do not say."""
        try:
            topics = self.admin.list_topics(timeout=5).topics
        except KafkaException:
            return {}
        return {(name, number): one for name in (self.topic, "__consumer_offsets") if name in topics
                for number, one in topics[name].partitions.items()}

    def wait_until_in_sync(self):
        """With one copy too few, the next kill would end every append."""
        for _ in range(1200):
            known = self.partitions()
            if len(known) > 4 and all(len(one.isrs) == 3 and one.leader > 0 for one in known.values()):
                return
            time.sleep(0.1)
        raise SystemExit("takeover.py: after two minutes the copies are not in sync: " + ", ".join(
            f"{name}/{number} {one.isrs}" for (name, number), one in sorted(self.partitions().items())))

    def kill(self, shards):
        self.down = self.partitions()[self.topic, shards[self.round % len(shards)]].leader
        self.round, self.activated = self.round + 1, self.activations()
        os.kill(int((self.folder / str(self.down) / "pid").read_text()), signal.SIGKILL)

    def activations(self):
        """How often a controller became the active one."""
        return sum((self.folder / one / "log").read_text().count("Performing controller activation") for one in "123")

    def start(self):
        self.was_controller.append(self.activations() > self.activated)
        subprocess.run([SCRIPT, "again", self.folder, str(self.down)], check=True)
        self.wait_until_in_sync()


def run(build, folder, brokers, rounds, parts, three=None):
    create_topic(build, folder, brokers, TOPIC, 4)
    nodes = []
    try:
        for name in ("first", "second"):
            nodes.append(Node(build, folder, name, 4, brokers, TOPIC))
        first, second = nodes
        clients = []
        for tenant in ("a", "b", "c"):
            token = create_tenant(first, first.token, tenant)
            clients.append(Client(first, tenant, token))
        for client in clients:
            client.start()
        if three is not None:
            shards = [one["shard"] for one in first.insist(first.token, "GET", "/v1/tenants")["items"]
                      if one["id"] in ("a", "b", "c")]
            three.wait_until_in_sync()
            waits, quiet = measure(first, clients, rounds, lambda: three.kill(shards), three.start, 2)
            for name, of_controller in (("takeover_broker_killed", False), ("takeover_controller_killed", True)):
                chosen = [one for one, was in zip(waits, three.was_controller) if was == of_controller]
                if chosen:
                    report(name, chosen, quiet)
        else:
            if "killed" in parts:
                report("takeover_killed",
                       *measure(first, clients, rounds, lambda: second.end(signal.SIGKILL), second.start))
            if "drained" in parts:
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
    parts = arguments[2:] or PARTS
    if not set(parts) <= set(PARTS):
        raise SystemExit(f"takeover.py: {' '.join(parts)}: the parts are {' '.join(PARTS)}")
    for count in sorted({3 if part == "broker_killed" else 1 for part in parts}):
        with tempfile.TemporaryDirectory() as text, broker(pathlib.Path(text) / "broker", count) as brokers:
            folder = pathlib.Path(text)
            if brokers is not None:
                run(build, folder, brokers, rounds, parts, Brokers(folder / "broker", brokers, TOPIC) if count == 3 else None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
