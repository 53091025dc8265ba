"""Entries for tests: the golden records that the C++ code wrote, at another place in the log."""

import hashlib
import pathlib
import struct

from travertine_events.flatbuffer import Buffer

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden" / "record"
CLAIM, FIRST, SECOND = ((GOLDEN / name).read_bytes() for name in ("claim.bin", "first.bin", "second.bin"))
SHARD = 5  # of the golden records


def changed(stored: bytes, fields) -> bytes:
    """The entry with other numbers; `fields` are of (id, format, value)."""
    entry = bytearray(stored)
    table = Buffer(stored).root(4)
    for field, code, value in fields:
        struct.pack_into(code, entry, table.place(field), value)
    return bytes(entry)


def claim(epoch: int) -> bytes:
    return changed(CLAIM, [(1, "<Q", epoch)])


def record(epoch: int, lsn: int, prev_hash: bytes, end: bool = True, time_ns: int = 1_700_000_000_000_000_000) -> bytes:
    return changed(SECOND, [(1, "<Q", lsn), (2, "<Q", epoch), (3, "32s", prev_hash), (4, "<q", time_ns), (18, "?", end)])


def of_type(stored: bytes, type: str, payload: bytes) -> bytes:
    """The entry with another type and payload, each at most as long as its own."""
    entry = bytearray(stored)
    table = Buffer(stored).root(4)
    for field, old, new in ((9, table.text(9).encode(), type.encode()), (17, table.bytes(17), payload)):
        assert len(new) <= len(old)
        at = table.buffer.follow(table.place(field))
        entry[at:at + 4 + len(old)] = struct.pack("<I", len(new)) + new.ljust(len(old), b"\0")
    return bytes(entry)


class Log:
    """A log as writers leave it. `entries` has offsets with gaps, which say nothing."""

    def __init__(self):
        self.entries = []
        self._hashes = {0: bytes(32)}

    def add(self, stored: bytes) -> bytes:
        self.entries.append((2 * len(self.entries), stored))
        return stored

    def claim(self, epoch: int) -> "Log":
        self.add(claim(epoch))
        return self

    def record(self, epoch: int, lsn: int, end: bool = True, event=None, **other) -> "Log":
        """`event`: type and payload, where they are not those of the golden record."""
        stored = record(epoch, lsn, self._hashes[lsn - 1], end, **other)
        stored = self.add(of_type(stored, *event) if event else stored)
        self._hashes[lsn] = hashlib.sha256(stored).digest()
        return self

    def copy_of(self, index: int) -> "Log":
        self.add(self.entries[index][1])
        return self
