"""Entries of a log: records and claims. Format: docs/formats/record.md.

Every function raises DamagedLog, and nothing else, for bytes that are not an entry.
"""

import hashlib
import struct
import uuid
from typing import NamedTuple, Optional

from .errors import DamagedLog
from .flatbuffer import UINT16, UINT32, Buffer, Table

RECORD_BYTES_MAX = 1_000_000
ENTRY_BYTES_MIN = 24

_INT64 = struct.Struct("<q")
_UINT64 = struct.Struct("<Q")
_UINT8 = struct.Struct("<B")
_ROOT = 4  # behind the size prefix


class Head(NamedTuple):
    """What the void rule needs of an entry."""

    is_claim: bool
    shard: int
    epoch: int
    lsn: int  # 0 for a claim
    decision_end: bool


class Record(NamedTuple):
    """One event with its place in the log of a shard. Texts that the entry does not have are empty."""

    shard: int
    lsn: int
    epoch: int
    prev_hash: bytes  # SHA-256 of the record before, as stored; 32 zeros for lsn 1
    time_ns: int  # nanoseconds since 1970-01-01T00:00:00Z: the time of the decision
    event_id: uuid.UUID
    tenant: str
    stream_kind: str
    stream_id: str
    type: str
    schema_version: int
    actor: str
    causation_id: Optional[uuid.UUID]
    correlation_id: Optional[uuid.UUID]
    traceparent: str
    key_id: str  # empty: the payload is not sealed
    payload: bytes
    decision_end: bool
    hash: bytes  # SHA-256 of this entry, as stored


def _table_of(stored: bytes) -> Table:
    if not ENTRY_BYTES_MIN <= len(stored) <= RECORD_BYTES_MAX:
        raise DamagedLog(f"an entry of {len(stored)} bytes; it must have {ENTRY_BYTES_MIN} to {RECORD_BYTES_MAX}")
    buffer = Buffer(stored)
    if buffer.number(UINT32, 0) != len(stored) - _ROOT:
        raise DamagedLog(f"an entry of {len(stored)} bytes: its size prefix says {buffer.number(UINT32, 0)} more")
    if stored[8:12] not in (b"TRVR", b"TRVC"):
        raise DamagedLog(f"an entry with identifier {stored[8:12]!r}: it is neither record (TRVR) nor claim (TRVC)")
    return buffer.root(_ROOT)


def read_head(stored: bytes) -> Head:
    """Says nothing about the rest of the entry."""
    table = _table_of(stored)
    if stored[8:12] == b"TRVC":
        head = Head(True, table.number(0, UINT32), table.number(1, _UINT64), 0, False)
    else:
        head = Head(False, table.number(0, UINT32), table.number(2, _UINT64), table.number(1, _UINT64),
                    table.number(18, _UINT8) != 0)
    if head.epoch == 0 or (head.lsn == 0 and not head.is_claim):
        raise DamagedLog(f"an entry of {len(stored)} bytes has no epoch or no lsn")
    return head


def read_record(stored: bytes) -> Record:
    """Opens the entry of a record."""
    table = _table_of(stored)
    if stored[8:12] != b"TRVR":
        raise DamagedLog(f"an entry of {len(stored)} bytes is a claim, not a record")
    lsn = table.number(1, _UINT64)

    def required(name: str, value):
        if not value:
            raise DamagedLog(f"the record with lsn {lsn} has no {name}")
        return value

    def identity(field: int) -> Optional[uuid.UUID]:
        value = table.struct(field, 16)
        return None if value is None else uuid.UUID(bytes=value)

    encoding = table.number(15, _UINT8)
    if encoding != 0:
        raise DamagedLog(f"the record with lsn {lsn} has payload encoding {encoding}, which this version does not know")
    return Record(
        shard=table.number(0, UINT32),
        lsn=required("lsn", lsn),
        epoch=required("epoch", table.number(2, _UINT64)),
        prev_hash=required("prev_hash", table.struct(3, 32)),
        time_ns=table.number(4, _INT64),
        event_id=required("event_id", identity(5)),
        tenant=required("tenant", table.text(6)),
        stream_kind=required("stream_kind", table.text(7)),
        stream_id=required("stream_id", table.text(8)),
        type=required("type", table.text(9)),
        schema_version=table.number(10, UINT16),
        actor=required("actor", table.text(11)),
        causation_id=identity(12),
        correlation_id=identity(13),
        traceparent=table.text(14) or "",
        key_id=table.text(16) or "",
        payload=table.bytes(17) or b"",
        decision_end=table.number(18, _UINT8) != 0,
        hash=hashlib.sha256(stored).digest())
