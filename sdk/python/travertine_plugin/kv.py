"""The plugin's store of the call's tenant: what is put there outlives calls, processes and versions of the plugin."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional

from . import json_text

KEY_BYTES_MAX = 256
VALUE_BYTES_MAX = 65_536
LIST_COUNT_MAX = 100


@dataclasses.dataclass(frozen=True)
class Entry:
    """A key with its value. The revision grows with each put into the store."""

    key: str
    value: Any
    revision: int


@dataclasses.dataclass(frozen=True)
class Page:
    """Entries in the order of their keys, and whether more come behind them."""

    entries: List[Entry]
    has_more: bool


class Kv:
    """Each function raises Failure where the store refuses. In an `async def` operation each is awaited.

    A call may be made again after it was answered: put what is right to put twice, or expect the revision that was
    read. Where another is there, the failure's code is "conflict" and nothing is changed.
    """

    def __init__(self, ask: Callable[..., Any]):
        self._ask = ask

    def get(self, key: str) -> Any:
        """The Entry of a key, or None."""
        return self._send({"action": "get", "key": key}, lambda page: page.entries[0] if page.entries else None)

    def put(self, key: str, value: Any, *, expected: Optional[int] = None) -> Any:
        """Keeps any value of JSON, at most 65,536 bytes, and gives its revision. `expected` 0: there is none yet."""
        json_text.check(value, "value")
        size = len(json_text.write(value).encode())
        if size > VALUE_BYTES_MAX:
            raise ValueError(f"kv: the value of {key!r} has {size} bytes of JSON; at most {VALUE_BYTES_MAX} are kept")
        return self._send({"action": "put", "key": key, "value": value, **expects(expected)},
                          lambda page: page.entries[0].revision)

    def erase(self, key: str, *, expected: Optional[int] = None) -> Any:
        """What is not there is erased, unless a revision is expected."""
        return self._send({"action": "erase", "key": key, **expects(expected)}, lambda page: None)

    def list(self, prefix: str = "", *, after: str = "", count_max: int = LIST_COUNT_MAX) -> Any:
        """A Page of the keys that begin with `prefix` and come behind `after`."""
        if not 1 <= count_max <= LIST_COUNT_MAX:
            raise ValueError(f"kv: count_max is {count_max!r}, which is not 1 to {LIST_COUNT_MAX}")
        return self._send({"action": "list", "key": prefix, "after": after, "count_max": count_max}, lambda page: page)

    def _send(self, request: Dict[str, Any], read: Callable[[Page], Any]) -> Any:
        for name in ("key", "after"):
            check_key(request.get(name, ""), name)
        if not request["key"] and request["action"] != "list":
            raise ValueError("kv: the key is empty")
        return self._ask("store_request", request, f"the store's {request['action']} {request['key']!r}",
                         lambda _, frame: read(page_of(frame)))


def expects(expected: Optional[int]) -> Dict[str, int]:
    if expected is None:
        return {}
    if not isinstance(expected, int) or isinstance(expected, bool) or expected < 0:
        raise TypeError(f"kv: expected is {expected!r}, which is not a revision")
    return {"expected": expected}


def check_key(key: Any, name: str) -> None:
    if not isinstance(key, str):
        raise TypeError(f"kv: {name} is {key!r}, which is not a str")
    json_text.check(key, name)
    if len(key.encode()) > KEY_BYTES_MAX or any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise ValueError(f"kv: {name} is {key!r}; it has at most {KEY_BYTES_MAX} bytes and no control characters")


def page_of(frame: Dict[str, Any]) -> Page:
    entries = [Entry(entry["key"], entry.get("value"), entry["revision"]) for entry in frame.get("entries", [])]
    return Page(entries, frame.get("has_more", False))
