"""travd as the benchmarks start it: on the embedded log, or several that share a topic."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

WORKFLOW = """document: {dsl: '1.0.3', namespace: bench, name: one, version: '1.0.0'}
do:
  - greet: {set: {text: Hello}}
"""


def create_topic(build, folder, brokers, topic, shards):
    """And the cluster's key, and the folder that its nodes share."""
    (folder / "shared").mkdir()
    path = folder / "topic.toml"
    path.write_text(f'shards = {shards}\n[kafka]\nbrokers = "{brokers}"\ntopic = "{topic}"\n')
    subprocess.run([build / "bin/trav", "cluster", "key", folder / "cluster.key"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([build / "bin/trav", "cluster", "init", "--replication", str(brokers.count(",") + 1), "--config", path],
                   check=True, stdout=subprocess.DEVNULL)


class Node:
    def __init__(self, build, folder, name, shards, brokers=None, topic="nodes"):
        """Without brokers: on the embedded log."""
        self.build, self.folder, self.name = build, folder / name, name
        self.folder.mkdir()
        settings = f'shards = {shards}\n[data]\nfolder = "{self.folder}/data"\n[http]\nport = 0\n'
        if brokers is not None:
            settings += (
                f'[node]\nname = "{name}"\naddress = "127.0.0.1:0"\nshared_folder = "{folder}/shared"\n'
                f'cluster_key_file = "{folder}/cluster.key"\n[kafka]\nbrokers = "{brokers}"\n'
                f'topic = "{topic}"\n')
        (self.folder / "travd.toml").write_text(settings)
        self.token = None
        self.start()

    def start(self):
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.build / "bin/travd", "--config", self.folder / "travd.toml"],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
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
        raise SystemExit(f"{self.name} did not start")

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
                raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error
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
        except BaseException as error:  # of a thread; its owner raises it
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


def settle(node, operator, nodes, all_shards=4):
    """Waits until so many nodes own all the shards, each at least one where there are enough; for some minutes at most."""
    for _ in range(1800):
        shards = shards_of(node, operator)
        least = 1 if all_shards >= nodes else 0
        if len(shards) == nodes and sum(shards.values()) == all_shards and min(shards.values()) >= least:
            return
        time.sleep(0.1)
    raise SystemExit(f"the shards of {nodes} nodes are not distributed: {shards}")


def create_tenant(node, operator, tenant):
    """Its token; it has the workflow."""
    token = node.insist(operator, "POST", "/v1/tenants", json.dumps({"id": tenant}).encode())["token"]["token"]
    node.insist(token, "POST", f"/v1/tenants/{tenant}/workflows", WORKFLOW.encode(), "application/yaml")
    return token
