#!/usr/bin/env python3
"""Faults against a cluster: three brokers, three nodes, clients; then a checker goes over the whole history.

    run.py --build FOLDER [--seed N] [--schedules N] [--faults NAMES] [--keep]

Each schedule has a seed of its own, which is printed; `--seed S --schedules 1` repeats it. Ends with 1 and the findings where
something did not hold, with 77 where Kafka is not on this machine.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, help="a build folder, with bin/travd")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the next ones count on")
    parser.add_argument("--schedules", type=int, default=3)
    parser.add_argument("--faults", default="", help="these, with commas, instead of random ones")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a schedule that has findings")
    return parser.parse_args(arguments)


class Cluster:
    """A topic, its nodes and tenants, for one schedule."""

    def __init__(self, build, folder, brokers, seed, say):
        from brokers import free_ports
        from nodes import Node
        self.build, self.folder, self.brokers, self.say = build, folder, brokers, say
        self.topic = f"faults-{seed}-{random.randrange(1 << 30)}"
        self.settings, self.operator, self.tokens = None, None, {}
        port = free_ports(4)
        self.nodes = [Node(build, folder, f"node-{i + 1}", port + i, brokers.bootstrap, self.topic) for i in range(4)]

    def begin(self):
        """Starts the nodes, and creates the tenants."""
        from nodes import SHARDS, insist
        subprocess.run([self.build / "bin/trav", "cluster", "key", self.folder / "cluster.key"], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        self.create_topic()
        self.settings = self.brokers.settings(self.topic)
        for node in self.nodes[:3]:
            node.start()
        self.operator = self.await_operator()
        self.await_nodes(3)
        for tenant in ("ada", "ben", "cleo")[:SHARDS - 1]:
            made = insist(self.nodes[0], self.operator, "POST", "/v1/tenants", json.dumps({"id": tenant}).encode())
            self.tokens[tenant] = made["token"]["token"]

    def create_topic(self, within=60):
        """By trav, which does not wait for brokers that are slow after a start."""
        from brokers import BrokerFailed
        (self.folder / "shared").mkdir(exist_ok=True)  # which trav makes only beside a topic that it could create
        deadline = time.monotonic() + within
        while True:
            done = subprocess.run([self.build / "bin/trav", "cluster", "init", "--config", self.nodes[0].configuration],
                                  capture_output=True, text=True, timeout=60, check=False,
                                  env=os.environ | {"TRAV_KAFKA_USER": "admin"})
            if done.returncode == 0 or "exist" in done.stderr:
                return
            if time.monotonic() > deadline:
                raise BrokerFailed(f"the topic is not created within {within} s: {done.stderr}")
            time.sleep(0.5)

    def await_operator(self):
        for _ in range(900):
            for node in self.nodes[:3]:
                token = node.token()
                if token is not None:
                    return token
                node.tend()
            time.sleep(0.1)
        words = "; ".join(f"{node.name}: {node.words()}" for node in self.nodes[:3])
        raise TimeoutError(f"no node printed the operator's token within 90 s: {words}")

    def await_nodes(self, count, within=90):
        """Until every node that is wanted names as many, and each shard has an owner."""
        from nodes import SHARDS, shards_of
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            views = [shards_of(node, self.operator) for node in self.nodes if node.is_wanted]
            if all(len(one) == count and sum(map(len, one.values())) == SHARDS for one in views):
                return
            for node in self.nodes:
                node.tend()
            time.sleep(0.1)
        raise TimeoutError(f"the nodes do not agree on {count} nodes and {SHARDS} shards within {within} s: {views}")

    def apply(self, texts):
        from nodes import insist
        for tenant, token in self.tokens.items():
            for text in texts:
                insist(self.nodes[0], token, "POST", f"/v1/tenants/{tenant}/workflows", text.encode(),
                       {"Content-Type": "application/yaml"})

    def audit(self, tenant, folder, since=None):
        """An export of the trail, verified; with the checkpoint of an earlier one, consistent with it."""
        node = next(one for one in self.nodes if one.is_wanted)
        trav = [self.build / "bin/trav", "--url", f"http://127.0.0.1:{node.port}", "--token", self.tokens[tenant],
                "--tenant", tenant, "audit"]
        for _ in range(100):  # trav does not repeat what is to be asked again in a moment
            done = subprocess.run([*trav, "export", "--output", folder], capture_output=True, text=True, timeout=120,
                                  check=False)
            if "Unavailable" not in done.stderr:
                break
            time.sleep(0.3)
        if done.returncode == 0:
            more = ["--since", since / "checkpoint", "--key-file", since / "key.pub"] if since else []
            done = subprocess.run([self.build / "bin/trav", "audit", "verify", folder, *more], capture_output=True,
                                  text=True, timeout=120, check=False)
        if done.returncode != 0:
            return [f"{tenant}: {done.args[-1]}: {done.stdout}{done.stderr}"]
        return []

    def events(self):
        from history import Event
        from travertine_events import Reader, Schemas
        schemas, found = Schemas(HERE.parents[1] / "clients" / "schemas"), []
        with Reader(self.brokers.bootstrap, self.topic, properties=self.brokers.as_user("admin")) as reader:
            deadline = time.monotonic() + 60
            while reader.is_behind:
                if time.monotonic() > deadline:
                    raise TimeoutError("the topic was not read to its end within 60 s")
                found += [one.record for one in reader.poll()]
        return [Event(one.shard, one.lsn, str(one.event_id), one.tenant, one.type, one.stream_id,
                      schemas.data_of(one.type, one.payload) | {"digest": hashlib.sha256(one.payload).hexdigest()},
                      one.hash, one.prev_hash) for one in found]

    def end(self):
        running = [node for node in self.nodes if node.process is not None and node.process.poll() is None]
        threads = [threading.Thread(target=node.end) for node in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def kill(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()


def await_ends(cluster, within=90):
    """Until no instance runs, as every node says."""
    from nodes import instances_of
    deadline = time.monotonic() + within
    while True:
        running = {}
        for tenant, token in cluster.tokens.items():
            node = random.choice([one for one in cluster.nodes if one.is_wanted])
            running[tenant] = [id for id, status in instances_of(node, token, tenant).items() if status == "running"]
        if not any(running.values()):
            return []
        if time.monotonic() > deadline:
            return [f"{tenant}: instances that did not end within {within} s: {ids[:3]} and {len(ids)} in all"
                    for tenant, ids in running.items() if ids]
        time.sleep(0.3)


def compare_nodes(cluster, events):
    """What each node answers, against the topic: lists, and the stream that each makes of what it followed."""
    import moves
    from history import ENDS
    from nodes import insist, instances_of, streamed
    findings = []
    expected = {}
    homes = {tenant: shards[-1] for tenant, shards in moves.Platform(events).finished.items()}
    events, _ = moves.follow(events)
    for event in events:
        if event.type == "trv.instance.started":
            expected.setdefault(event.tenant, {})[event.stream] = "running"
        elif event.type in ENDS:
            expected.setdefault(event.tenant, {})[event.stream] = event.type.split(".")[-1]
    wanted = [node for node in cluster.nodes if node.is_wanted]
    for place, (tenant, token) in enumerate(cluster.tokens.items()):
        ids = [event.id for event in events if event.tenant == tenant]
        for node in wanted:
            here = insist(node, cluster.operator, "GET", f"/v1/tenants/{tenant}")["shard"]
            if here != homes.get(tenant, here):
                findings.append(f"{node.name} has {tenant} in shard {here}, and the topic in {homes[tenant]}")
            if instances_of(node, token, tenant) != expected.get(tenant, {}):
                findings.append(f"{node.name} lists other instances of {tenant} than the topic has")
        node = wanted[place % len(wanted)]
        if streamed(node, token, tenant, ids[-1]) != ids:
            findings.append(f"the stream of {tenant} at {node.name} has other events than the topic")
    return findings


def run_schedule(seed, names, build, folder, brokers, say):
    """The findings, none where everything held; and whether the brokers did what they should."""
    import history
    import load
    import schedule
    from brokers import BrokerFailed
    from service import Service
    faults = schedule.plan_of(names, seed) if names else schedule.plan(seed)
    say(f"schedule with seed {seed}")
    for fault in faults:
        say(f"  {fault}")
    service = Service(seed)
    cluster = None
    try:
        cluster = Cluster(build, folder, brokers, seed, say)
        cluster.begin()
        cluster.apply([load.CALL.format(port=service.port), load.PLAIN, load.HEARD])
        say("  the cluster is ready")
        ledger = load.Ledger()
        audited = random.Random(seed).choice(schedule.tenants_moved(faults, cluster.tokens) or sorted(cluster.tokens))
        clients = [load.Client(f"{tenant}-{i}", f"{seed}-{tenant}-{i}", cluster.nodes[:3], tenant, token, ledger)
                   for tenant, token in cluster.tokens.items() for i in range(2)]
        for client in clients:
            client.start()
        findings = cluster.audit(audited, folder / "before")
        played = schedule.Play(faults, cluster, ledger, lambda line: say("    " + line))
        tend_while(cluster, played.run)
        if played.broker_failed is not None:
            raise played.broker_failed
        findings += played.errors
        say("  faults are over")
        cluster.await_nodes(sum(node.is_wanted for node in cluster.nodes))
        time.sleep(0.5)
        for client in clients:
            client.is_over = True
        for client in clients:
            client.join(load.ANSWERED_WITHIN_S + 30)
        findings += ledger.findings
        say("  clients are over")
        findings += await_ends(cluster)
        say("  instances have ended")
        findings += cluster.audit(audited, folder / "after", since=folder / "before")
        say("  audited")
        events = cluster.events()
        findings += history.check(ledger.acks, ledger.tried, events, service.calls)
        say("  checked")
        findings += compare_nodes(cluster, events)
        say("  compared")
        cluster.end()
        findings += [line for node in cluster.nodes for line in node.findings]
        say(f"  {len(ledger.acks)} acknowledged, {len(events)} events, {len(service.calls)} effects; longest wait "
            f"{max(ledger.waits, default=0):.1f} s")
        return findings, True
    except BrokerFailed as error:
        return [str(error)], False
    except (TimeoutError, ValueError, OSError, subprocess.SubprocessError) as error:
        lines = [f"{type(error).__name__}: {error}"]
        return lines + [line for node in (cluster.nodes if cluster else []) for line in node.findings], True
    finally:
        service.stop()
        if cluster is not None:
            cluster.kill()


def tend_while(cluster, work):
    """As a service manager does: nodes that ended are started again while the work goes on."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        for node in cluster.nodes:
            node.tend()
        thread.join(0.2)


def main(arguments):
    options = options_of(arguments)
    sys.path.insert(0, str(HERE.parents[1] / "clients" / "python"))
    try:
        import confluent_kafka  # noqa: F401
    except ImportError:
        print("faults: Python has no confluent_kafka here; nothing is tested. apt-get install python3-confluent-kafka")
        return 77
    import brokers as kafka
    if not kafka.have():
        print("faults: Kafka is not on this machine; nothing is tested. `./dev kafka up` fetches it")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process stays behind
    with tempfile.TemporaryDirectory(prefix="travertine-faults-") as folder:
        return play(options, pathlib.Path(folder))


def play(options, folder):
    """All schedules. Where the brokers themselves fail, a schedule says nothing, and new brokers are started."""
    import brokers as kafka
    failed, unclear, brokers = [], [], None
    names = [name for name in options.faults.split(",") if name]
    try:
        for seed in range(options.seed, options.seed + options.schedules):
            began = time.monotonic()
            brokers = brokers or kafka.Brokers(folder / f"brokers-{seed}")
            findings, is_clear = run_schedule(seed, names, options.build.resolve(), folder / str(seed), brokers,
                                              lambda line, began=began: say(f"{time.monotonic() - began:5.1f} {line}"))
            for finding in findings:
                say(f"      FINDING: {finding}")
            say(f"{time.monotonic() - began:5.1f} seed {seed}: " +
                ("the brokers failed" if not is_clear else "does not hold" if findings else "holds"))
            if findings and options.keep:
                kept = pathlib.Path(tempfile.mkdtemp(prefix=f"travertine-faults-{seed}-"))
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                say(f"      kept in {kept}")
            if not is_clear:
                unclear.append(seed)
                brokers.stop()
                brokers = None
            elif findings:
                failed.append(seed)
            shutil.rmtree(folder / str(seed), ignore_errors=True)
    finally:
        if brokers is not None:
            brokers.stop()
    say(f"{options.schedules} schedules: {options.schedules - len(failed) - len(unclear)} hold; "
        f"findings with the seeds {failed}; brokers that failed with the seeds {unclear}")
    return 1 if failed or len(unclear) == options.schedules else 0


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
