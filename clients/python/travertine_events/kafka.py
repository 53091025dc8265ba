"""Reads the events of a Kafka topic: one partition is the log of one shard.

At least once: the caller stores a checkpoint after it handled an event, and starts from it again.
"""

import json
import logging
import os
from collections import deque
from typing import Deque, Dict, Iterator, List, Mapping, Optional, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from .cloud_event import parse_position, position_of
from .errors import DamagedLog, TenantMoved
from .log import Checkpoint, Event, ShardLog
from .payload import installed_schemas
from .record import Record

ANSWER_WITHIN_S = 10.0
TAKEN_AT_ONCE = 1000

# librdkafka reconnects by itself.
_PASSING = (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
_UNREACHED = (KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._SSL, KafkaError._AUTHENTICATION)
_DELETED = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)

_log = logging.getLogger("travertine_events")


class Reader:
    """Gives the events of a topic's partitions, in order within each. One thread.

    brokers:      HOST:PORT, or several with commas
    partitions:   which to read; default: all
    checkpoints:  by shard, where to go on; a shard without one is read from its beginning
    tenant:       only events of this tenant; empty: of all
    types:        only types that begin with one of these; empty: all
    position:     only events of the tenant behind this `position` of an event; reads its shard alone, from the beginning,
                  and so without `partitions` and `checkpoints`
    properties:   more settings of librdkafka, for example for TLS; its own log is off, log_level = 6 is its default

    That no broker can be reached any more is logged by Python's logging, as `travertine_events`, and passes by itself.
    Raises DamagedLog where the log is not what it must be, TenantMoved behind the event by which the tenant left
    the shard of `position`, and confluent_kafka.KafkaException for what Kafka reports and what does not pass by itself.
    """

    def __init__(self, brokers: str, topic: str, *, partitions: Optional[Sequence[int]] = None,
                 checkpoints: Optional[Mapping[int, Checkpoint]] = None, tenant: str = "", types: Sequence[str] = (),
                 position: Optional[str] = None, properties: Optional[Mapping[str, str]] = None):
        self._behind_lsn = 0
        self._departed: Optional[Record] = None  # the event by which the tenant left the shard of `position`
        self._has_position = position is not None
        if position is not None:
            if partitions is not None or checkpoints:
                raise ValueError("a position names where to begin; leave partitions and checkpoints out")
            shard, self._behind_lsn = parse_position(position, tenant)
            partitions = [shard]
        self.checkpoints: Dict[int, Checkpoint] = dict(checkpoints or {})
        """By shard, behind the last event that was given or left out."""
        self._tenant = tenant
        self._types = tuple(types)
        self._messages: Deque[Message] = deque()  # fetched
        self._ready: Deque[Event] = deque()  # of whole decisions
        self._failure: Optional[Exception] = None
        self._has_tenant = not tenant
        self._last_problem = ""  # of a connection
        self._warns = False
        self._consumer = Consumer({
            "log_level": 0,  # a broker that cannot be reached is a line for every try
            "error_cb": self._take_problem,
            **(properties or {}),
            "bootstrap.servers": brokers,
            "group.id": "travertine-events",  # never joined: partitions are assigned, offsets are not committed
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        })
        try:
            self._open(topic, partitions)
        except KafkaException as error:
            self._consumer.poll(0)  # which says what went wrong with the connections
            self.close()
            if not self._last_problem:
                raise
            raise KafkaException(KafkaError(error.args[0].code(), self._last_problem)) from None
        except BaseException:
            self.close()
            raise
        self._warns = True

    def _take_problem(self, problem: KafkaError) -> None:
        if problem.code() in _UNREACHED:
            self._last_problem = problem.str().split(" (after ")[0]  # how often and after what is different each time
        elif problem.code() == KafkaError._ALL_BROKERS_DOWN and self._warns:
            self._warns = False  # until a message comes again
            _log.warning("Kafka cannot be reached, and is asked again until it can: %s", self._last_problem or problem.str())

    def _open(self, topic: str, partitions: Optional[Sequence[int]]) -> None:
        found = self._consumer.list_topics(topic, timeout=ANSWER_WITHIN_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        if partitions is None:
            partitions = sorted(found.partitions)
        self._logs: Dict[int, ShardLog] = {}
        self._ends: Dict[int, int] = {}
        places = []
        for partition in partitions:
            if partition not in found.partitions:
                raise ValueError(f"topic '{topic}' has no partition {partition}; it has {len(found.partitions)}")
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_WITHIN_S)
            known = self.checkpoints.get(partition)
            if known is not None and not low <= known.offset < high:
                raise DamagedLog(f"partition {partition} has offsets {low} to {high - 1}, and the checkpoint's record was "
                                 f"at {known.offset}: it was trimmed, or the topic was made anew")
            self._logs[partition] = ShardLog(partition, known)
            places.append(TopicPartition(topic, partition, low if known is None else known.offset))
            if low < high:
                self._ends[partition] = high
        self._consumer.assign(places)

    @property
    def is_behind(self) -> bool:
        """Whether entries that the topic had when the reader was made are not read yet, or cannot be."""
        return bool(self._ends) or self._failure is not None

    @property
    def has_tenant(self) -> bool:
        """Whether `tenant` had an event among those that were read; True where none is asked for."""
        return self._has_tenant

    def poll(self, timeout_s: float = 1.0) -> List[Event]:
        """Events that were there, or came within the time; mostly several."""
        return list(self._wanted(timeout_s))

    def __iter__(self) -> Iterator[Event]:
        """Follows the topic for ever."""
        while True:
            yield from self._wanted(1.0)

    def _wanted(self, timeout_s: float) -> Iterator[Event]:
        if self._failure is not None:
            raise self._failure
        if not self._messages and not self._ready:
            # A batch waits until it is full: wait for one message, then take what is there.
            first = self._consumer.poll(timeout_s)
            if first is not None:
                self._messages.extend([first, *self._consumer.consume(TAKEN_AT_ONCE - 1, 0)])
        while self._ready or self._messages:
            if not self._ready:
                try:
                    self._ready.extend(self._take(self._messages.popleft()))
                except (DamagedLog, KafkaException) as error:
                    # Raised by the next call: the events before it are given first.
                    self._failure = error
                    return
                continue
            event = self._ready.popleft()
            self.checkpoints[event.record.shard] = event.checkpoint
            self._has_tenant = self._has_tenant or event.record.tenant == self._tenant
            if self._has_position:
                # Raised by the next call, as above.
                self._failure = self._move_at(event.record)
            if self._wants(event.record):
                yield event
            if self._failure is not None:
                return

    def _wants(self, record: Record) -> bool:
        return (record.lsn > self._behind_lsn and (not self._tenant or record.tenant == self._tenant)
                and (not self._types or record.type.startswith(self._types)))

    def _move_at(self, record: Record) -> Optional[Exception]:
        """What ends the reading from a position: the tenant is in another shard. It may have come back before the position."""
        if record.tenant == self._tenant and record.type == "trv.tenant.departed":
            self._departed = record
        elif record.tenant == self._tenant and record.type == "trv.tenant.arrived":
            self._departed = None
        if self._departed is None or record.lsn < self._behind_lsn:
            return None
        left = self._departed
        try:
            to = installed_schemas().data_of(left.type, left.payload)["to"]
        except DamagedLog as error:
            return error
        return TenantMoved(
            f"tenant '{self._tenant}' was moved from shard {left.shard} to shard {to} by the event at position "
            f"{position_of(self._tenant, left.shard, left.lsn)}; reading from a position (--from) reads shard {left.shard} "
            "alone; use checkpoints (--checkpoint FILE), which follow moves")

    def _take(self, message: Message) -> List[Event]:
        error = message.error()
        if error is not None:
            if error.code() in _DELETED:
                raise DamagedLog(f"partition {message.partition()}: entries were deleted before they were read; "
                                 f"offset {message.offset()} is not there")
            if error.code() in _PASSING or error.retriable():
                return []
            raise KafkaException(error)
        self._warns = True
        partition, offset = message.partition(), message.offset()
        events = self._logs[partition].take(offset, message.value())
        if offset + 1 >= self._ends.get(partition, offset + 2):
            del self._ends[partition]
        return events

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def load_checkpoints(path: str, topic: str) -> Dict[int, Checkpoint]:
    """By shard; none where the file does not exist. Raises ValueError for a file that is not one of this topic."""
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} is not a file of checkpoints: {error}") from None
    try:
        if stored["topic"] != topic:
            raise ValueError(f"{path} has checkpoints of topic '{stored['topic']}', not of '{topic}'")
        return {entry["shard"]: Checkpoint(int(entry["shard"]), int(entry["offset"]), int(entry["lsn"]),
                                           bytes.fromhex(entry["sha256"])) for entry in stored["checkpoints"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a file of checkpoints: {error!r}") from None


def save_checkpoints(path: str, topic: str, checkpoints: Mapping[int, Checkpoint]) -> None:
    """Replaces the file as a whole: after a crash it is the old one or the new one."""
    entries = [{"shard": known.shard, "offset": known.offset, "lsn": known.lsn, "sha256": known.hash.hex()}
               for _, known in sorted(checkpoints.items())]
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"topic": topic, "checkpoints": entries}, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
