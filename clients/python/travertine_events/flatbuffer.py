"""Reads FlatBuffers from bytes that nobody has verified. Every step is checked to lie inside the bytes.

Every function raises DamagedLog, and nothing else, where the bytes do not fit.
"""

import struct
from typing import List, Optional

from .errors import DamagedLog

UINT16 = struct.Struct("<H")
INT32 = struct.Struct("<i")
UINT32 = struct.Struct("<I")

# Tables, texts and vectors may be shared, so that few bytes can unfold to many. Far beyond what a writer makes.
UNFOLDED_BYTES_MAX = 16_000_000


class Buffer:
    """The bytes, and how much of them was read."""

    def __init__(self, data: bytes):
        self.data = data
        self.unfolded_bytes = 0

    def number(self, kind: struct.Struct, at: int):
        if at < 0 or at + kind.size > len(self.data):
            raise DamagedLog(f"a number of {kind.size} bytes at {at} lies outside of {len(self.data)} bytes")
        return kind.unpack_from(self.data, at)[0]

    def slice(self, at: int, size: int) -> bytes:
        if at < 0 or at + size > len(self.data):
            raise DamagedLog(f"{size} bytes at {at} lie outside of {len(self.data)} bytes")
        self.unfold(size)
        return self.data[at:at + size]

    def unfold(self, size: int) -> None:
        self.unfolded_bytes += size
        if self.unfolded_bytes > UNFOLDED_BYTES_MAX:
            raise DamagedLog(f"{len(self.data)} bytes unfold to more than {UNFOLDED_BYTES_MAX}")

    def text(self, at: int) -> str:
        """The text whose length is at `at`."""
        try:
            return self.slice(at + 4, self.number(UINT32, at)).decode()
        except UnicodeDecodeError as error:
            raise DamagedLog(f"the text at {at} is not UTF-8: {error.reason}") from None

    def follow(self, at: int) -> int:
        """Where the reference at `at` leads."""
        return at + self.number(UINT32, at)

    def root(self, at: int = 0) -> "Table":
        return Table(self, self.follow(at))


class Table:
    """A table at a place. Fields are named by their ids; None means that the field is absent."""

    __slots__ = ("buffer", "at", "offsets")

    def __init__(self, buffer: Buffer, at: int):
        self.buffer = buffer
        self.at = at
        vtable = at - buffer.number(INT32, at)
        fields = max(buffer.number(UINT16, vtable) - 4, 0) // 2
        buffer.unfold(8)
        self.offsets = struct.unpack(f"<{fields}H", buffer.slice(vtable + 4, 2 * fields))

    def place(self, field: int) -> Optional[int]:
        offset = self.offsets[field] if field < len(self.offsets) else 0
        return self.at + offset if offset else None

    def number(self, field: int, kind: struct.Struct, default=0):
        at = self.place(field)
        return default if at is None else self.buffer.number(kind, at)

    def struct(self, field: int, size: int) -> Optional[bytes]:
        at = self.place(field)
        return None if at is None else self.buffer.slice(at, size)

    def text(self, field: int) -> Optional[str]:
        at = self.place(field)
        return None if at is None else self.buffer.text(self.buffer.follow(at))

    def bytes(self, field: int) -> Optional[bytes]:
        at = self.place(field)
        if at is None:
            return None
        at = self.buffer.follow(at)
        return self.buffer.slice(at + 4, self.buffer.number(UINT32, at))

    def table(self, field: int) -> Optional["Table"]:
        at = self.place(field)
        return None if at is None else Table(self.buffer, self.buffer.follow(at))

    def elements(self, field: int, size: int) -> Optional[range]:
        """The places of a vector's elements, `size` bytes each."""
        at = self.place(field)
        if at is None:
            return None
        at = self.buffer.follow(at)
        count = self.buffer.number(UINT32, at)
        self.buffer.slice(at + 4, count * size)
        return range(at + 4, at + 4 + count * size, size)

    def tables(self, field: int) -> List["Table"]:
        """A vector of tables; none where the field is absent."""
        return [Table(self.buffer, self.buffer.follow(at)) for at in self.elements(field, 4) or ()]
