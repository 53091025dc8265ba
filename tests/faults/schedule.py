"""A schedule: which faults happen when. A seed gives the same one each time."""

import random
import subprocess
import threading
import time
from typing import NamedTuple

import access
import moves
from brokers import IDS, BrokerFailed
from load import Ack
from nodes import SESSION_MS, SHARDS, ask, insist, shards_of

SESSION_S = SESSION_MS / 1000


class Fault(NamedTuple):
    at: float  # seconds from the beginning of the load
    lasts: float
    name: str
    shard: int  # whose leader or owner it hits; the number of the tenant that it moves

    def __str__(self):
        return f"{self.at:.1f} s: {self.name} (shard {self.shard}) for {self.lasts:.1f} s"


# Name: how long it lasts, and how often it is drawn.
KINDS = {
    "leader killed": ((0.3, 3.0), 3),
    "leader paused": ((1.0, 5.0), 3),
    "leader cut off": ((1.0, 5.0), 3),
    "all brokers restarted": ((0.1, 1.0), 1),
    "owner killed": ((0.1, 2.0), 3),
    "owner paused past its lease": ((SESSION_S + 0.5, SESSION_S + 4.0), 3),
    "owner paused shortly": ((0.2, SESSION_S - 0.5), 1),
    "owner ended": ((0.1, 2.0), 1),
    "owner drained": ((0.5, 2.0), 2),
    "node added": ((1.0, 3.0), 1),
    "leader slow": ((2.0, 5.0), 1),
    "leader's disk full": ((0.5, 2.0), 1),
    "too few brokers in sync": ((1.0, 5.0), 1),
    "records too large": ((1.0, 5.0), 1),
    "write access removed": ((1.0, 5.0), 1),
    "all access removed": ((1.0, 5.0), 1),
    "owner slow": ((2.0, 5.0), 1),
    "owner's disk full": ((1.0, 4.0), 1),
    "tenant moved": ((0.1, 2.0), 4),
}
ASKED_AGAIN_S = 60  # a move goes on when trav is cut off
MOVED_WITHIN_S, ENDED_WITHIN_S = 300, 600  # after which the cluster has not recovered
# One after the other: two of three brokers must live.
OF_BROKERS = ("leader killed", "leader paused", "leader cut off", "all brokers restarted", "leader slow", "leader's disk full")
OF_TOPIC = {"too few brokers in sync": {"min.insync.replicas": "4"}, "records too large": {"max.message.bytes": "300"},
            "write access removed": None, "all access removed": None}
OPERATIONS_LEFT = {"write access removed": (access.READ, access.DESCRIBE, access.DESCRIBE_CONFIGS),
                   "all access removed": (access.DESCRIBE_CONFIGS,)}
SLOW_ON_S, SLOW_OFF_S = 0.03, 0.3  # what is slow runs a tenth of the time


def plan(seed):
    """Faults of brokers come one after the other, those of nodes when they like, those of the topic once each."""
    drawn = random.Random(seed)
    names = drawn.choices(list(KINDS), [often for _, often in KINDS.values()], k=drawn.randint(2, 4))
    faults, brokers_free = [], 0.0
    for name in names:
        (least, most), _ = KINDS[name]
        at, lasts = drawn.uniform(0.5, 6.0), drawn.uniform(least, most)
        shard = drawn.randrange(SHARDS)
        if name in OF_BROKERS:
            at = max(at, brokers_free)
            brokers_free = at + lasts + 1.0
        # Access is given back as a whole.
        once = {"node added": ["node added"], **dict.fromkeys(OPERATIONS_LEFT, list(OPERATIONS_LEFT))}.get(name, [])
        if any(fault.name in once for fault in faults):
            continue
        faults.append(Fault(at, lasts, name, shard))
    return sorted(faults)


def plan_of(names, seed):
    """These, one after the other."""
    drawn = random.Random(seed)
    faults, at = [], 1.0
    for name in names:
        if name not in KINDS:
            raise SystemExit(f"faults: '{name}' is not a fault; there are: {', '.join(KINDS)}")
        lasts = drawn.uniform(*KINDS[name][0])
        faults.append(Fault(at, lasts, name, drawn.randrange(SHARDS)))
        at += lasts + 2.0
    return faults


def tenants_moved(faults, tenants):
    """Which of them a plan moves."""
    return [sorted(tenants)[fault.shard % len(tenants)] for fault in faults if fault.name == "tenant moved"]


class Play:
    """Has the faults of a plan happen, and ends them all."""

    def __init__(self, faults, cluster, ledger, say):
        self.faults, self.cluster, self.ledger, self.say = faults, cluster, ledger, say
        self.brokers, self.nodes, self.operator, self.topic = cluster.brokers, cluster.nodes, cluster.operator, cluster.topic
        self.errors, self.broker_failed, self._changes = [], None, {}
        self._brokers_in_order, self._topic_in_order = threading.Lock(), threading.Lock()
        self._moves_in_order = {tenant: threading.Lock() for tenant in cluster.tokens}

    def run(self):
        """Returns when each fault has begun and ended."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._one, args=(fault, began), daemon=True) for fault in self.faults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ENDED_WITHIN_S)
        self.errors += [f"a fault did not end within {ENDED_WITHIN_S} s" for thread in threads if thread.is_alive()]

    def _one(self, fault, began):
        try:
            time.sleep(max(0, began + fault.at - time.monotonic()))
            if fault.name in OF_BROKERS:
                with self._brokers_in_order:
                    self._of_broker(fault)
            elif fault.name in OF_TOPIC:
                self._of_topic(fault)
            elif fault.name == "tenant moved":
                self._move(fault)
            else:
                self._of_node(fault)
        except BrokerFailed as error:
            self.broker_failed = error
        except Exception as error:  # pylint: disable=broad-except; of a thread, and reported by the schedule
            self.errors.append(f"{fault}: {error!r}")

    def _of_broker(self, fault):
        if fault.name == "all brokers restarted":
            for broker in IDS:
                self.brokers.kill(broker)
            time.sleep(fault.lasts)
            for broker in IDS:
                self.brokers.start(broker)
            return self.brokers.await_all()
        broker = self.brokers.leader(self.topic, fault.shard)
        self.say(f"{fault.name}: broker {broker}")
        begin, end = {"leader killed": (self.brokers.kill, self.brokers.start),
                      "leader paused": (self.brokers.pause, self.brokers.wake),
                      "leader slow": (lambda one: self._stutter(fault.lasts, lambda: self.brokers.pause(one),
                                                                lambda: self.brokers.wake(one)), lambda one: None),
                      "leader's disk full": (self.brokers.fill_disk, self._revive),
                      "leader cut off": (self.brokers.cut, self.brokers.heal)}[fault.name]
        begin(broker)
        if fault.name != "leader slow":
            time.sleep(fault.lasts)
        end(broker)
        self.brokers.await_all()

    def _revive(self, broker):
        """Kafka ends when it cannot write; it is started again when there is room."""
        self.brokers.kill(broker)
        self.brokers.start(broker)

    @staticmethod
    def _stutter(lasts, pause, wake):
        end = time.monotonic() + lasts
        while time.monotonic() < end:
            pause()
            time.sleep(SLOW_OFF_S)
            wake()
            time.sleep(SLOW_ON_S)

    def _of_topic(self, fault):
        self.say(fault.name)
        change = OF_TOPIC[fault.name]
        if change is None:
            self.brokers.permit_only(self.topic, OPERATIONS_LEFT[fault.name])
            time.sleep(fault.lasts)
            return self.brokers.permit_all(self.topic)
        self._change_settings(fault.name, change)
        time.sleep(fault.lasts)
        self._change_settings(fault.name, {})

    def _change_settings(self, name, change):
        """Several changes of the topic may hold at a time."""
        with self._topic_in_order:
            self._changes[name] = change  # a second fault of the same kind may end the first one early
            settings = dict(self.cluster.settings)
            for one in self._changes.values():
                settings.update(one)
            self.brokers.configure(self.topic, settings)

    def _move(self, fault):
        """There and on, to shards in which it was not before each."""
        tenant, = tenants_moved([fault], self.cluster.tokens)
        with self._moves_in_order[tenant]:
            for step in range(2):
                here = insist(self._any_node(), self.operator, "GET", f"/v1/tenants/{tenant}")["shard"]
                to = 1 + (here + (fault.shard + step) % (SHARDS - 2)) % (SHARDS - 1)
                self.say(f"{fault.name}: {tenant} from shard {here} to {to}")
                self.ledger.note(self.ledger.tried, (tenant, moves.key_of(to)))
                self._move_to(tenant, to)
                self.ledger.note(self.ledger.acks, Ack("operator", "move", tenant, moves.key_of(to), ""))
                time.sleep(fault.lasts)

    def _any_node(self):
        return random.choice([node for node in self.nodes if node.is_wanted])

    def _move_to(self, tenant, to):
        """By trav, as often as it takes: what fails with a node goes on with another."""
        deadline = time.monotonic() + MOVED_WITHIN_S
        while True:
            last = "it goes on"
            try:
                done = subprocess.run([self.cluster.build / "bin/trav", "--url",
                                       f"http://127.0.0.1:{self._any_node().port}", "--token", self.operator, "tenant",
                                       "move", tenant, "--shard", str(to)],
                                      capture_output=True, text=True, timeout=ASKED_AGAIN_S, check=False)
                if done.returncode == 0:
                    return
                last = done.stderr
            except subprocess.TimeoutExpired:
                pass  # of trav, which waits for half an hour
            if time.monotonic() > deadline:
                raise TimeoutError(f"{tenant} is not in shard {to} within {MOVED_WITHIN_S} s: {last}")
            time.sleep(0.3)

    def _owner(self, shard):
        """The node that owns a shard; None where none is known or it has a fault already."""
        for _ in range(20):
            for node in self.nodes:
                if not node.is_wanted or node.has_fault:
                    continue
                for name, shards in shards_of(node, self.operator, timeout=3).items():
                    if shard in shards:
                        return next((one for one in self.nodes if one.name == name), None)
            time.sleep(0.2)
        return None

    def _of_node(self, fault):
        if fault.name == "node added":
            new = next(node for node in self.nodes if node.process is None)
            time.sleep(0.01)
            return new.start()
        node = self._owner(fault.shard)
        if node is None or not node.take_fault():
            return self.say(f"{fault.name}: left out, nobody owns shard {fault.shard} now or its owner has a fault")
        self.say(f"{fault.name}: {node.name}")
        try:
            if fault.name == "owner killed":
                node.kill()
                time.sleep(fault.lasts)
                node.start()
            elif fault.name == "owner ended":
                node.end()
                time.sleep(fault.lasts)
                node.start()
            elif fault.name == "owner drained":
                self._part(node, "drain")
                time.sleep(fault.lasts)
                self._part(node, "resume")
            elif fault.name == "owner slow":
                self._stutter(fault.lasts, node.pause, node.wake)
            elif fault.name == "owner's disk full":
                node.fill_disk(True)
                time.sleep(fault.lasts)
                node.fill_disk(False)
            else:
                node.pause()
                time.sleep(fault.lasts)
                node.wake()
        finally:
            node.has_fault = False

    def _part(self, node, verb):
        """A drain may say to ask again; while brokers fail, for long."""
        for _ in range(200):
            status, _, answer = ask(node, self.operator, "POST", f"/v1/nodes/{node.name}/{verb}", b"", timeout=60)
            if status == 200:
                return
            # While it joins or leaves it is not among the nodes that are known.
            if status not in (0, 503, 404):
                break
            time.sleep(0.2)
        self.errors.append(f"{verb} of {node.name} was answered {status}: {answer}")
