"""Three brokers of Apache Kafka behind a network that can be cut, started by tests/kafka/broker.sh.

Clients log in (SASL/PLAIN): `admin` may everything, `travd` what access control lists do not take from it.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import sys
import time

import access

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent / "kafka" / "broker.sh"
WITH_THIS = {**os.environ, "TRV_BROKERS_OF": str(os.getpid())}  # they end with this process, however it ends
IDS = (1, 2, 3)
PASSWORD = "only-on-loopback"
SETTINGS = """
sasl.enabled.mechanisms=PLAIN
listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_admin="{0}" user_travd="{0}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
allow.everyone.if.no.acl.found=true
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=200
controller.quorum.fetch.timeout.ms=2000
controller.quorum.election.timeout.ms=1000
initial.broker.registration.timeout.ms=180000
""".format(PASSWORD)


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


class BrokerFailed(Exception):
    """Kafka did not do what the test needs: nothing is said about travd."""


def insist_on(change, within=60):
    """Changes of the cluster wait for a controller."""
    from confluent_kafka import KafkaException
    deadline = time.monotonic() + within
    while True:
        try:
            return [future.result(10) for future in change().values()]
        except (KafkaException, concurrent.futures.TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Brokers:
    """Broker and controller are one process. All connections, also those between brokers, go through cut.py."""

    def __init__(self, folder):
        self.folder, self._admin = folder, None
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
                "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                f"inter.broker.listener.name=INNER\ncontroller.quorum.voters={voters}\n{SETTINGS}")
            ways += [[first + cut + i, first + i, broker] for first in (port, control, inner)]
            pids[broker] = str(place / "pid")
        self.network = subprocess.Popen([sys.executable, HERE / "cut.py"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self._order(json.dumps({"ways": ways, "pids": pids}))
        self.port, self.inner = port, inner
        try:
            subprocess.run([SCRIPT, "start", folder, str(port), "3"], check=True, stdout=subprocess.DEVNULL, env=WITH_THIS)
        except BaseException:
            self.stop()
            raise

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
        subprocess.run([SCRIPT, "again", self.folder, str(broker)], check=True, env=WITH_THIS)

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
                    log = (self.folder / str(i + 1) / "log").read_text(errors="replace")[-1500:]
                    raise BrokerFailed(f"broker {i + 1} did not come back within {within} s; its log ends: {log}")
                time.sleep(0.1)

    def as_user(self, name):
        """What a client of librdkafka is made with."""
        return {"bootstrap.servers": self.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                "sasl.username": name, "sasl.password": PASSWORD, "log_level": 0}

    def admin(self):
        from confluent_kafka.admin import AdminClient
        self._admin = self._admin or AdminClient(self.as_user("admin"))
        return self._admin

    def leader(self, topic, partition):
        """The broker that leads a partition; one of them where nobody knows."""
        from confluent_kafka import KafkaException
        try:
            known = self.admin().list_topics(topic, timeout=2).topics[topic].partitions
            return known[partition].leader if known[partition].leader in IDS else IDS[partition % 3]
        except (KafkaException, KeyError):
            return IDS[partition % 3]

    def settings(self, topic):
        """What the topic has of its own."""
        from confluent_kafka.admin import ConfigResource, ConfigSource
        [found] = insist_on(lambda: self.admin().describe_configs([ConfigResource("topic", topic)]))
        return {one.name: one.value for one in found.values()
                if ConfigSource(one.source) == ConfigSource.DYNAMIC_TOPIC_CONFIG}

    def configure(self, topic, settings):
        """From now on the topic has these of its own, and no others."""
        from confluent_kafka.admin import ConfigResource
        insist_on(lambda: self.admin().alter_configs([ConfigResource("topic", topic, set_config=settings)]))

    def permit_only(self, topic, operations):
        """From now on travd may do these on the topic, and nothing else."""
        self._change_access(access.CREATE, [access.allowed(topic, "User:travd", one) for one in operations])

    def permit_all(self, topic):
        self._change_access(access.DELETE, [access.every(topic)])

    def _change_access(self, request, lists, within=60):
        """Through any broker, by the listener whose clients may everything."""
        deadline = time.monotonic() + within
        while True:
            for i in range(3):
                with contextlib.suppress(OSError):
                    if access.ask(self.inner + i, request, lists):
                        return
            if time.monotonic() > deadline:
                raise TimeoutError(f"no broker changes access control lists within {within} s")
            time.sleep(0.2)

    def fill_disk(self, broker):
        """Every write beyond the first bytes of a file fails, as on a disk without room. Kafka ends then."""
        resource.prlimit(int((self.folder / str(broker) / "pid").read_text()), resource.RLIMIT_FSIZE, (4096, 4096))

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.folder], check=True)
        self.network.stdin.close()
        self.network.wait(10)
        self.network.stdout.close()
