#!/usr/bin/env python3
"""How long a tenant's commands wait when the node that owns its shard is killed, or drained.

    takeover.py BUILD [ROUNDS]

Two travd share the shards of a topic on a broker of their own. Three tenants, each on a shard of its own, start instances
through the node that lives on, one after the other. A round kills the other node (kill -9), or drains it, and takes the
longest time without an answer of success; it compares with the longest such time before the round. One JSON line for each
kind, as the programs of bench/ print. The session is 1 s, the least.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from broker import broker

SESSION_MS = 1000
WORKFLOW = """document: {dsl: '1.0.3', namespace: bench, name: one, version: '1.0.0'}
do:
  - greet: {set: {text: Hello}}
"""


class Node:
    def __init__(self, build, folder, name, brokers):
        self.build, self.folder, self.name = build, folder / name, name
        self.folder.mkdir()
        (self.folder / "travd.toml").write_text(
            f'shards = 4\n[data]\nfolder = "{self.folder}/data"\n[http]\nport = 0\n[node]\nname = "{name}"\n'
            f'address = "127.0.0.1:0"\nshared_folder = "{folder}/shared"\n'
            f'cluster_key_file = "{folder}/cluster.key"\n[kafka]\nbrokers = "{brokers}"\n'
            f'topic = "takeover"\nsession_ms = {SESSION_MS}\n')
        self.token = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.build / "bin/travd", "--config", self.folder / "travd.toml"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if " is ready at " in line:
                self.url = line.split()[-1]
            if line.strip().startswith("trv_"):
                self.token = line.strip()
            # The last line that every start prints, and the last of the very first.
            if line.startswith("  plugins") and self.token is not None or line.startswith("  trav login"):
                return
            if line.startswith("  node") and self.name != "first":
                return
        raise SystemExit(f"takeover.py: {self.name} did not start")

    def ask(self, token, method, path, body=b"", content="application/json", key=None):
        """The answer's JSON; None where it says to ask again."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
        if key:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(self.url + path, data=body or None, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise SystemExit(f"takeover.py: {method} {path}: {error.code} {error.read().decode()}") from error
            return None

    def insist(self, *arguments, **options):
        while True:
            answer = self.ask(*arguments, **options)
            if answer is not None:
                return answer
            time.sleep(0.01)

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(60)
        self.process.stdout.close()


class Client(threading.Thread):
    """Starts instances one after the other, and knows when each start was acknowledged."""

    def __init__(self, node, tenant, token):
        super().__init__(daemon=True)
        self.node, self.tenant, self.token, self.times = node, tenant, token, [time.monotonic()]
        self.is_over, self.error = False, None

    def run(self):
        try:
            self.start_instances()
        except BaseException as error:  # of a thread; measure() raises it
            self.error = error

    def start_instances(self):
        path = f"/v1/tenants/{self.tenant}/workflows/bench/one/instances"
        while not self.is_over:
            self.node.insist(self.token, "POST", path, b"{}", key=f"{self.tenant}-{len(self.times)}")
            self.times.append(time.monotonic())
            time.sleep(0.002)

    def longest(self, begin, end):
        times = [one for one in list(self.times) if one >= begin - 1]
        return max((b - a for a, b in zip(times, times[1:]) if b > begin and a < end), default=0)


def shards_of(node, operator):
    return {one["node"]: len(one["shards"]) for one in node.insist(operator, "GET", "/v1/nodes")["items"]}


def settle(node, operator, nodes):
    while True:
        shards = shards_of(node, operator)
        if len(shards) == nodes and sum(shards.values()) == 4 and min(shards.values()) > 0:
            return
        time.sleep(0.1)


def measure(first, clients, rounds, end, begin_again):
    """Seconds without an answer: of each round, and the longest before them."""
    waits, quiet = [], 0
    for _ in range(rounds):
        settle(first, first.token, 2)
        time.sleep(2)
        began = time.monotonic()
        quiet = max(quiet, *(one.longest(began - 1.5, began) for one in clients))
        end()
        settle(first, first.token, 1)
        counts = [len(one.times) for one in clients]
        while any(one.error is None and len(one.times) < count + 2 for one, count in zip(clients, counts)):
            time.sleep(0.01)
        for one in clients:
            if one.error is not None:
                raise SystemExit(f"takeover.py: tenant {one.tenant}: {one.error}")
        waits.append(max(one.longest(began, time.monotonic()) for one in clients))
        begin_again()
    return sorted(waits), quiet


def report(name, waits, quiet):
    print(json.dumps({"name": name, "value": round(1000 * waits[len(waits) // 2]), "unit": "ms, median",
                      "longest": round(1000 * waits[-1]), "rounds": len(waits),
                      "compares_with": "the longest time without an answer before", "quiet": round(1000 * quiet)},
                     separators=(",", ":")))


def run(build, folder, brokers, rounds):
    topic = folder / "topic.toml"
    topic.write_text(f'shards = 4\n[kafka]\nbrokers = "{brokers}"\ntopic = "takeover"\n')
    subprocess.run([build / "bin/trav", "cluster", "key", folder / "cluster.key"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([build / "bin/trav", "cluster", "init", "--replication", "1", "--config", topic], check=True,
                   stdout=subprocess.DEVNULL)
    nodes = []
    try:
        for name in ("first", "second"):
            nodes.append(Node(build, folder, name, brokers))
        first, second = nodes
        clients = []
        for tenant in ("a", "b", "c"):
            token = first.insist(first.token, "POST", "/v1/tenants", json.dumps({"id": tenant}).encode())["token"]
            first.insist(token["token"], "POST", f"/v1/tenants/{tenant}/workflows", WORKFLOW.encode(),
                         "application/yaml")
            clients.append(Client(first, tenant, token["token"]))
        for client in clients:
            client.start()
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
    with tempfile.TemporaryDirectory() as text, broker(pathlib.Path(text) / "broker") as brokers:
        if brokers is not None:
            run(build, pathlib.Path(text), brokers, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
