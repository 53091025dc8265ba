#!/usr/bin/env python3
"""How fast the packages of clients/ read a topic: their commands, from start to end, on a real broker of their own.

    clients.py BUILD [EVENTS]

Prints a JSON line for each language, as the programs of bench/ do. What each compares with is a bare librdkafka consumer
that reads the same messages and looks at nothing (Python's binding).
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "clients" / "python"))
sys.path.insert(0, str(REPOSITORY / "clients" / "python" / "tests"))
from broker import broker  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from entries import CLAIM, changed  # noqa: E402
from travertine_events import read_head  # noqa: E402

TOPIC = "clients"


def entries(count):
    """A claim, then the log of one shard: a real record again and again, each with its place and the hash before."""
    release = sorted((REPOSITORY / "tests" / "golden" / "releases").glob("*/records.json"))[-1]
    stored = (base64.b64decode(line["value"]) for line in json.loads(release.read_text())
              if line["event"]["type"] in ("trv.effect.requested", "trv.task.completed"))
    template = next(value for value in stored if read_head(value).decision_end)
    yield changed(CLAIM, [(0, "<I", 0), (1, "<Q", 1)])
    before = bytes(32)
    for lsn in range(1, count + 1):
        stored = changed(template, [(1, "<Q", lsn), (2, "<Q", 1), (3, "32s", before), (18, "?", True)])
        before = hashlib.sha256(stored).digest()
        yield stored


def fill(brokers, count):
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(30)
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5})
    for stored in entries(count):
        while True:
            try:
                producer.produce(TOPIC, stored, partition=0)
                break
            except BufferError:
                producer.poll(1)
    if producer.flush(60) > 0:
        raise SystemExit("clients.py: the broker did not take the events within 60 s")


def bare(brokers, count):
    """Seconds."""
    began = time.monotonic()
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    read = 0
    while read < count + 1:
        read += len(consumer.consume(1000, 1))
    consumer.close()
    return time.monotonic() - began


def package(language, build, brokers, count):
    """Seconds; None where the language is not here. Building it is not measured."""
    command = [REPOSITORY / "tests/clients/package.sh", language, build / "clients" / language]
    if subprocess.run([*command, "here"]).returncode != 0:
        return None
    began = time.monotonic()
    done = subprocess.run([*command, "events", "--brokers", brokers, "--topic", TOPIC, "--until-end"], check=True,
                          stdout=subprocess.PIPE)
    seconds = time.monotonic() - began
    printed = done.stdout.count(b"\n")
    if printed != count:
        raise SystemExit(f"clients.py: {language} printed {printed} events, not {count}")
    return seconds


def main(arguments):
    build = pathlib.Path(arguments[0]).resolve()
    count = int(arguments[1]) if len(arguments) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, broker(folder) as brokers:
        if brokers is None:
            return 0
        fill(brokers, count)
        floor = count / bare(brokers, count)
        for language in ("python", "go", "typescript"):
            seconds = package(language, build, brokers, count)
            if seconds is not None:
                print(json.dumps({"name": f"client_{language}", "value": round(count / seconds), "unit": "events/s",
                                  "compares_with": "bare librdkafka consumer",
                                  "ratio": round(count / seconds / floor, 3)}, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
