"""The large things that the plugin keeps in the call's tenant: bytes under their SHA-256, for all its versions."""

import base64
import dataclasses
import inspect
import itertools
from typing import Any, Callable, Dict, Iterator, List, Union

from . import json_text

PART_BYTES_MAX = 262_144
BLOB_BYTES_MAX = 104_857_600
LIST_COUNT_MAX = 100


@dataclasses.dataclass(frozen=True)
class Blob:
    """What is known of a blob. `digest` has 64 hexadecimal digits, `size` counts bytes."""

    digest: str
    size: int
    media_type: str
    name: str


@dataclasses.dataclass(frozen=True)
class BlobPart:
    """Some bytes of a blob, and whether more come behind them."""

    data: bytes
    blob: Blob
    has_more: bool


@dataclasses.dataclass(frozen=True)
class BlobPage:
    """Blobs in the order of their digests, and whether more come behind them."""

    blobs: List[Blob]
    has_more: bool


class Blobs:
    """Each function raises Failure where the host refuses. In an `async def` operation each is awaited, but for begin."""

    def __init__(self, ask: Callable[..., Any], numbers: "itertools.count[int]"):
        self._ask = ask
        self._numbers = numbers

    def begin(self) -> "BlobWriting":
        """A blob that is written in parts; a call writes 4 at a time."""
        return BlobWriting(self._send, next(self._numbers))

    def put(self, data: Union[str, bytes], *, media_type: str = "", name: str = "") -> Any:
        """Keeps bytes that are there as a whole, at most 104,857,600; gives the Blob."""
        blob = self.begin()
        return in_turn(itertools.chain(blob.writes(data), [lambda: blob.store(media_type=media_type, name=name)]))

    def read(self, digest: str, *, offset: int = 0, length: int = PART_BYTES_MAX) -> Any:
        """A BlobPart of at most `length` bytes from `offset` on. The failure's code is "not_found" where the plugin does
        not keep such a blob in this tenant."""
        if not 0 <= length <= PART_BYTES_MAX or offset < 0:
            raise ValueError(f"blobs: {length} bytes from {offset} are asked for; at most {PART_BYTES_MAX} are read at once")
        return self._send({"action": "read", "digest": checked(digest, "digest"), "offset": offset, "count_max": length},
                          lambda frame: BlobPart(base64.b64decode(frame["part_base64"]), blobs_of(frame)[0],
                                                 frame["has_more"]))

    def erase(self, digest: str) -> Any:
        """What is not there is erased."""
        return self._send({"action": "erase", "digest": checked(digest, "digest")}, lambda frame: None)

    def list(self, *, after: str = "", count_max: int = LIST_COUNT_MAX) -> Any:
        """A BlobPage of what comes behind the digest `after`."""
        if not 1 <= count_max <= LIST_COUNT_MAX:
            raise ValueError(f"blobs: count_max is {count_max!r}, which is not 1 to {LIST_COUNT_MAX}")
        return self._send({"action": "list", "digest": checked(after, "after"), "count_max": count_max},
                          lambda frame: BlobPage(blobs_of(frame), frame["has_more"]))

    def _send(self, request: Dict[str, Any], read: Callable[[Dict[str, Any]], Any]) -> Any:
        return self._ask("blob_request", request, f"blobs: {request['action']}", lambda _, frame: read(frame))


class BlobWriting:
    """One that was never stored is gone when the call has ended."""

    def __init__(self, send: Callable[..., Any], number: int):
        self._send = send
        self._number = number

    def write(self, data: Union[str, bytes]) -> Any:
        """Adds bytes of any number; one write at a time. After a failure it takes no more."""
        return in_turn(self.writes(data))

    def writes(self, data: Union[str, bytes]) -> Iterator[Callable[[], Any]]:
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"blobs: a part is a {type(data).__name__}, which is neither str nor bytes")
        left = memoryview(data.encode() if isinstance(data, str) else data)
        return (lambda at=at: self._send({"action": "write", "writing": self._number, "part_base64":
                                          base64.b64encode(left[at:at + PART_BYTES_MAX]).decode()}, lambda frame: None)
                for at in range(0, max(len(left), 1), PART_BYTES_MAX))

    def store(self, *, media_type: str = "", name: str = "") -> Any:
        """What was written is whole: gives the Blob. Once, and last."""
        return self._send({"action": "store", "writing": self._number, "media_type": checked(media_type, "media_type"),
                           "name": checked(name, "name")}, lambda frame: blobs_of(frame)[0])

    def drop(self) -> Any:
        """What was written is not wanted."""
        return self._send({"action": "drop", "writing": self._number}, lambda frame: None)


def in_turn(asks: Iterator[Callable[[], Any]]) -> Any:
    """Asks one after the other, each with the answer before; gives the last answer."""
    first = next(asks)()
    if not inspect.isawaitable(first):
        for ask in asks:
            first = ask()
        return first

    async def rest() -> Any:
        last = await first
        for ask in asks:
            last = await ask()
        return last

    return rest()


def checked(text: Any, name: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"blobs: {name} is {text!r}, which is not a str")
    json_text.check(text, name)
    return text


def blobs_of(frame: Dict[str, Any]) -> List[Blob]:
    return [Blob(one["digest"], one["bytes"], one["media_type"], one["name"]) for one in frame["entries"]]
