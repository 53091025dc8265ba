"""From the entries of one shard to the events that count: void rule, gap check and hash chain. Pure: no I/O.

Rules: docs/formats/record.md. Damage raises DamagedLog with the offset, and then nothing more is given.
"""

from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from .errors import DamagedLog
from .record import Head, Record, read_head, read_record

DECISION_BYTES_MAX = 67_108_864


class Checkpoint(NamedTuple):
    """The record that a reader took last. It is found again at its offset and known by its hash."""

    shard: int
    offset: int
    lsn: int
    hash: bytes  # SHA-256 of the entry, as stored


class Event(NamedTuple):
    """A record that counts, and where it is in its partition."""

    offset: int
    record: Record

    @property
    def checkpoint(self) -> Checkpoint:
        """To go on behind this event: store it once the event was handled."""
        return Checkpoint(self.record.shard, self.offset, self.record.lsn, self.record.hash)


class ShardLog:
    """Takes the entries of one shard in the order of their offsets; gives the events of each whole decision.

    It begins behind `checkpoint`, and then its first entry must be the checkpoint's record. Without one it begins
    where the log does.
    """

    def __init__(self, shard: int, checkpoint: Optional[Checkpoint] = None):
        if checkpoint is not None and checkpoint.shard != shard:
            raise ValueError(f"the checkpoint is of shard {checkpoint.shard}, not of shard {shard}")
        self._shard = shard
        self._checkpoint = checkpoint
        self._is_new = True
        self._epoch = 0
        self._next = 1
        self._next_decision = 1
        self._held: List[Tuple[int, bytes]] = []  # the decision that has not ended: offset and entry
        self._held_bytes = 0
        self._last: Optional[Record] = None
        self._last_hash: Optional[bytes] = bytes(32)  # None: not known, because the log was trimmed
        self._damage: Optional[DamagedLog] = None

    def take(self, offset: int, value: Optional[bytes]) -> List[Event]:
        """Events of the decision that this entry ends; mostly none or few. Raises DamagedLog."""
        if self._damage is not None:
            raise self._damage
        try:
            return self._take(offset, value or b"")
        except DamagedLog as error:
            self._damage = DamagedLog(f"the log of shard {self._shard} is damaged at offset {offset}: {error}")
            raise self._damage from None

    def _take(self, offset: int, value: bytes) -> List[Event]:
        head = read_head(value)
        if self._is_new:
            self._begin(offset, value, head)
            self._is_new = False
        if not self._is_next(head):
            return []
        self._held_bytes += len(value)
        if self._held_bytes > DECISION_BYTES_MAX:
            raise DamagedLog(f"the decision with lsn {head.lsn} has more than {DECISION_BYTES_MAX} bytes")
        self._held.append((offset, value))
        if not head.decision_end:
            return []
        events = [Event(at, self._chained(read_record(stored))) for at, stored in self._held]
        self._drop_held()
        if self._checkpoint is not None:
            # The decision may have begun before the checkpoint's record, which was given already.
            events = [event for event in events if event.record.lsn > self._checkpoint.lsn]
        return events

    def _begin(self, offset: int, value: bytes, head: Head) -> None:
        """Puts the rule in the state that is right at the first entry."""
        known = self._checkpoint
        if known is None and offset == 0:
            return
        if head.is_claim:
            what = "the entry of the checkpoint is a claim" if known else "the entries before this claim were deleted"
            raise DamagedLog(what)
        if known is not None and (offset, head.lsn, read_record(value).hash) != (known.offset, known.lsn, known.hash):
            raise DamagedLog(f"here is lsn {head.lsn}, not the record of the checkpoint, which has lsn {known.lsn} at "
                             f"offset {known.offset}; if the topic was made anew, delete the checkpoint")
        # Trimming leaves a record that counts at the beginning, and a checkpoint is of one.
        self._epoch = head.epoch
        self._next = self._next_decision = head.lsn
        self._last_hash = None

    def _is_next(self, head: Head) -> bool:
        """The void rule: whether the entry is the next record, which counts if its decision ends before a claim wins."""
        if head.shard != self._shard:
            raise DamagedLog(f"an entry of shard {head.shard}")
        if head.is_claim:
            if head.epoch > self._epoch:
                self._epoch = head.epoch
                self._next = self._next_decision
                self._drop_held()
            return False
        if head.epoch < self._epoch:
            return False
        if head.epoch > self._epoch:
            raise DamagedLog(f"a record of epoch {head.epoch} without its claim; the current epoch is {self._epoch}")
        if head.lsn < self._next:
            return False
        if head.lsn > self._next:
            raise DamagedLog(f"a gap: lsn {head.lsn} follows lsn {self._next - 1}")
        self._next += 1
        if head.decision_end:
            self._next_decision = self._next
        return True

    def _chained(self, record: Record) -> Record:
        if self._last_hash is not None and record.prev_hash != self._last_hash:
            raise DamagedLog(f"the chain breaks at lsn {record.lsn}: its prev_hash is {record.prev_hash.hex()}, but the "
                             f"record before hashes to {self._last_hash.hex()}")
        if self._last is not None and record.time_ns < self._last.time_ns:
            raise DamagedLog(f"time runs backwards: lsn {record.lsn} has {record.time_ns} ns, the record before has "
                             f"{self._last.time_ns} ns")
        self._last = record
        self._last_hash = record.hash
        return record

    def _drop_held(self) -> None:
        self._held = []
        self._held_bytes = 0


def read_log(shard: int, entries: Iterable[Tuple[int, bytes]], checkpoint: Optional[Checkpoint] = None) -> Iterator[Event]:
    """The events of a shard from its entries, each an offset and a value in the order of the offsets."""
    log = ShardLog(shard, checkpoint)
    for offset, value in entries:
        yield from log.take(offset, value)
