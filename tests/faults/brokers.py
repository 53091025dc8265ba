"""Three brokers of Apache Kafka behind a network that can be cut, started by tests/kafka/broker.sh."""

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent / "kafka" / "broker.sh"
IDS = (1, 2, 3)


def have():
    """Whether Kafka's libraries are on this machine."""
    return subprocess.run([SCRIPT, "have"], check=False).returncode == 0


def free_ports(count):
    """The first of so many neighbours that nobody listens on, below those that the kernel gives to connections."""
    for _ in range(200):
        first = random.randrange(11000, 32000 - count)
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise SystemExit(f"no {count} neighbouring ports are free")


class Brokers:
    """Broker and controller are one process. All connections, also those between brokers, go through cut.py."""

    def __init__(self, folder, more=""):
        self.folder = folder
        port = free_ports(18)
        control, inner = port + 3, port + 6
        cut = 9  # behind each port of a broker lies that of the network, to which the others connect
        self.bootstrap = ",".join(f"127.0.0.1:{port + cut + i}" for i in range(3))
        voters = ",".join(f"{broker}@127.0.0.1:{control + cut + i}" for i, broker in enumerate(IDS))
        ways, pids = [], {}
        for i, broker in enumerate(IDS):
            place = folder / str(broker)
            place.mkdir(parents=True)
            (place / "more").write_text(
                f"listeners=PLAINTEXT://127.0.0.1:{port + i},INNER://127.0.0.1:{inner + i},"
                f"CONTROLLER://127.0.0.1:{control + i}\n"
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{port + cut + i},INNER://127.0.0.1:{inner + cut + i},"
                f"CONTROLLER://127.0.0.1:{control + cut + i}\n"
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                f"inter.broker.listener.name=INNER\ncontroller.quorum.voters={voters}\n{more}")
            ways += [[first + cut + i, first + i, broker] for first in (port, control, inner)]
            pids[broker] = str(place / "pid")
        self.network = subprocess.Popen([sys.executable, HERE / "cut.py"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self._order(json.dumps({"ways": ways, "pids": pids}))
        subprocess.run([SCRIPT, "start", folder, str(port), "3"], check=True, stdout=subprocess.DEVNULL)
        self.port = port

    def _order(self, line):
        self.network.stdin.write(line + "\n")
        self.network.stdin.flush()
        if not self.network.stdout.readline():
            raise SystemExit("faults: the network between nodes and brokers ended")

    def _signal(self, broker, number):
        os.kill(int((self.folder / str(broker) / "pid").read_text()), number)

    def kill(self, broker):
        self._signal(broker, signal.SIGKILL)

    def start(self, broker):
        subprocess.run([SCRIPT, "again", self.folder, str(broker)], check=True)

    def pause(self, broker):
        self._signal(broker, signal.SIGSTOP)

    def wake(self, broker):
        self._signal(broker, signal.SIGCONT)

    def cut(self, broker):
        self._order(f"cut {broker}")

    def heal(self, broker):
        self._order(f"heal {broker}")

    def await_all(self, within=120):
        """A broker opens its clients' port last."""
        deadline = time.monotonic() + within
        for i in range(3):
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port + i)) == 0:
                        break
                if time.monotonic() > deadline:
                    raise SystemExit(f"faults: broker {i + 1} did not come back within {within} s")
                time.sleep(0.1)

    def leader(self, topic, partition):
        """The broker that leads a partition; one of them where nobody knows."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
        try:
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            known = admin.list_topics(topic, timeout=2).topics[topic].partitions
            return known[partition].leader if known[partition].leader in IDS else IDS[partition % 3]
        except (KafkaException, KeyError):
            return IDS[partition % 3]

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.folder], check=True)
        self.network.stdin.close()
        self.network.wait(10)
        self.network.stdout.close()
