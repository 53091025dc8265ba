"""Whether every message of a real topic is as clients/schemas/asyncapi.json says: its headers, its key, its type.

    topic_fits.py BROKERS TOPIC     exits 1 where one is not; prints how many there are of each kind
"""

import collections
import json
import pathlib
import sys

import jsonschema
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "clients" / "schemas"
DOCUMENT = json.loads((PUBLISHED / "asyncapi.json").read_text())


def merged(trait, message):
    """As AsyncAPI merges them: what the message says wins."""
    if not isinstance(trait, dict) or not isinstance(message, dict):
        return message
    return {**trait, **message, **{name: merged(trait[name], message[name]) for name in trait if name in message}}


def described(type):
    """The message of a type with its trait, which is named first."""
    message = DOCUMENT["components"]["messages"][type]
    trait = message["traits"][0]["$ref"].rsplit("/", 1)[1]
    return trait, merged(DOCUMENT["components"]["messageTraits"][trait], message)


def check(message):
    # `trv_counted` is bytes, for owners of a shard.
    headers = {name: value.decode() for name, value in message.headers() if name != "trv_counted"}
    kind, expected = described(headers["ce_type"])
    jsonschema.Draft7Validator(expected["headers"], format_checker=jsonschema.draft7_format_checker).validate(headers)
    unknown = set(headers) - set(expected["headers"]["properties"])
    assert not unknown, f"headers that the document does not name: {unknown}"
    assert headers["content-type"] == expected["contentType"]
    tenant = headers["ce_source"].split("/")[2] if kind == "record" else ""
    assert (message.key() or b"").decode() == tenant, f"the key is {message.key()}"
    return kind


def main(brokers, topic):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "topic-fits", "enable.auto.commit": False})
    partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    kinds = collections.Counter()
    for partition in partitions:
        place = TopicPartition(topic, partition, OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([place])
        read = 0
        for _ in range(end + 100):
            if read >= end:
                break
            message = consumer.poll(1)
            if message is None or message.error():
                continue
            kinds[check(message)] += 1
            read = message.offset() + 1
        assert read == end, f"partition {partition} was read up to {read} of {end}"
    consumer.close()
    print(dict(kinds))
    return 0 if kinds["claim"] and kinds["record"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
