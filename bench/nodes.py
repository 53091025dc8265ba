#!/usr/bin/env python3
"""What travd does on the embedded log and on Kafka: an answer's time at idle, workflow starts a second, a tenant's move.

    nodes.py BUILD [latency|starts|move]... [--seconds S] [--rows N,N,...]

Everything runs on this machine: brokers, nodes and client share its processors. Prints JSON lines as the programs of bench/
do.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from broker import broker
from cluster import Client, Node, create_tenant, create_topic, settle

CONNECTIONS = 48
IDLE_RATE = 50


def report(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}, separators=(",", ":")), flush=True)


def progress(text):
    print(f"  {text}", file=sys.stderr, flush=True)


class Cluster:
    """So many nodes on the brokers, or one on the embedded log; a tenant on each shard but that of the platform."""

    def __init__(self, build, folder, nodes, shards, brokers=None):
        self.build, self.nodes = build, []
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        if brokers is not None:
            create_topic(build, self.folder, brokers, self.folder.name, shards)
        try:
            for number in range(nodes):
                name = "first" if number == 0 else f"node-{number}"
                self.nodes.append(Node(build, self.folder, name, shards, brokers, self.folder.name))
            self.first = self.nodes[0]
            if brokers is not None:
                settle(self.first, self.first.token, nodes, shards)
            names = [f"t{number}" for number in range(max(1, shards - 1))]
            self.tenants = {name: create_tenant(self.first, self.first.token, name) for name in names}
        except BaseException:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for node in self.nodes:
            if node.process.poll() is None:
                node.end(signal.SIGKILL)

    def drive(self, seconds, connections, rate=0, tenants=()):
        """(starts a second, p50 ms, p99 ms); each connection has a tenant and a node, in turn."""
        targets = [f"{node.url.rsplit(':', 1)[1]} /v1/tenants/{tenant}/workflows/bench/one/instances {token}"
                   for tenant, token in self.tenants.items() if not tenants or tenant in tenants
                   for node in self.nodes]
        for _ in range(5):  # a shard that has just begun answers that it is not ready
            done = subprocess.run([self.build / "bin/http_driver", str(seconds), str(connections), str(rate)],
                                  input="\n".join(targets), text=True, stdout=subprocess.PIPE)
            if done.returncode == 0:
                return tuple(round(float(number), 2) for number in done.stdout.split())
            time.sleep(1)
        raise SystemExit("nodes.py: the nodes do not answer all requests")


def measure_latency(build, folder, log, brokers, seconds, other):
    """One request at a time, by the clock."""
    with Cluster(build, folder, 1, 4, brokers) as cluster:
        cluster.drive(1, 1, IDLE_RATE, {"t0"})
        _, p50, p99 = cluster.drive(seconds, 1, IDLE_RATE, {"t0"})
    more = {} if other is None else {"compares_with": "embedded", "ratio": round(p50 / other, 3)}
    report(f"idle_command_p50_{log}", p50, "ms", **more)
    report(f"idle_command_p99_{log}", p99, "ms")
    return p50


def processor_seconds(nodes):
    fields = [pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split() for node in nodes]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def measure_starts(build, folder, log, nodes, shards, brokers, seconds, other):
    with Cluster(build, folder, nodes, shards, brokers) as cluster:
        cluster.drive(1, CONNECTIONS)
        before = processor_seconds(cluster.nodes)
        rate, p50, p99 = cluster.drive(seconds, CONNECTIONS)
        spent = processor_seconds(cluster.nodes) - before
    more = {} if other is None else {"compares_with": "embedded, as many shards", "ratio": round(rate / other, 3)}
    report(f"starts_{log}_{nodes}_nodes_{shards}_shards", rate, "starts/s", **more, p50_ms=p50, p99_ms=p99,
           cpu_us_of_nodes=round(spent / (rate * seconds) * 1e6, 1))
    return rate


def measure_move(build, folder, log, nodes, brokers, rows):
    with Cluster(build, folder, nodes, 4, brokers) as cluster:
        node, made = cluster.first, 0
        tenant, token = next(iter(cluster.tenants.items()))
        for wanted in rows:
            while made < wanted:
                spell = min(5.0, max(0.2, (wanted - made) / 5000))
                made += int(cluster.drive(spell, 16, tenants={tenant})[0] * spell)
            home = node.insist(node.token, "GET", f"/v1/tenants/{tenant}")["shard"]
            client = Client(node, tenant, token)
            client.start()
            time.sleep(1.5)
            began = time.monotonic()
            body = json.dumps({"shard": 1 + home % 3}).encode()
            while node.insist(node.token, "POST", f"/v1/tenants/{tenant}/move", body).get("moves_to") is not None:
                time.sleep(0.01)
            took = time.monotonic() - began
            count = len(client.times)
            while client.error is None and len(client.times) < count + 2:
                time.sleep(0.01)
            if client.error is not None:
                raise SystemExit(f"nodes.py: tenant {tenant}: {client.error}")
            waited = client.longest(began, time.monotonic())
            quiet = client.longest(began - 1, began)  # between two answers before the move
            client.is_over = True
            client.join(60)
            report(f"move_{log}_{wanted}_instances", 1000 * took, "ms until it is done", instances=made,
                   writes_wait_ms=round(1000 * waited), quiet_ms=round(1000 * quiet))
            made += len(client.times)


def main(arguments):
    parser = argparse.ArgumentParser(usage="nodes.py BUILD [latency|starts|move]... [--seconds S] [--rows N,N,...]")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rows", default="1,1000,10000")
    options = parser.parse_args(arguments)
    build, seconds = options.build.resolve(), options.seconds
    parts = options.parts or ["latency", "starts", "move"]
    rows = [int(number) for number in options.rows.split(",")]
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        p50 = measure_latency(build, folder, "embedded", None, seconds, None) if "latency" in parts else None
        rates = {}
        for shards in (1, 4, 16) if "starts" in parts else ():
            rates[shards] = measure_starts(build, folder, "embedded", 1, shards, None, seconds, None)
        if "move" in parts:
            measure_move(build, folder, "embedded", 1, None, rows)
        with broker(folder / "broker") as brokers:
            if brokers is None:
                return 0
            if "latency" in parts:
                measure_latency(build, folder, "one_broker", brokers, seconds, p50)
            for shards in rates:
                for nodes in (1, 3):
                    measure_starts(build, folder, "kafka", nodes, shards, brokers, seconds, rates[shards])
            if "move" in parts:
                measure_move(build, folder, "kafka", 2, brokers, rows)
        if "latency" in parts:
            with broker(folder / "brokers", 3) as brokers:
                measure_latency(build, folder, "three_brokers", brokers, seconds, p50)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
