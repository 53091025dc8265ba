"""Python values to JSON that every reader takes, and words about those that are not JSON."""

import json
from typing import Any

DEPTH_MAX = 256
NUMBER_MAX = 2 ** 1023  # more is infinite to readers that have doubles


class NotJson(ValueError):
    """Says what is not JSON, and where in the value."""


def check(value: Any, place: str) -> None:
    """Raises NotJson, naming the place as Python writes it: output['due'][3]."""
    waiting = [(value, place, 0)]
    while waiting:
        value, place, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise NotJson(f"{place} is nested more than {DEPTH_MAX} levels deep")
        if isinstance(value, dict):
            for name, member in value.items():
                if not isinstance(name, str):
                    raise NotJson(f"{place} has the key {name!r}; the keys of JSON are texts")
                waiting.append((name, f"the key {name!r} of {place}", depth))
                waiting.append((member, f"{place}[{name!r}]", depth + 1))
        elif isinstance(value, (list, tuple)):
            waiting.extend((item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value))
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise NotJson(f"{place} has half a character at {error.start}, which UTF-8 cannot write") from None
        elif value is not None and not isinstance(value, (bool, int, float)):
            raise NotJson(f"{place} is a {type(value).__name__}, which JSON does not have")
        elif isinstance(value, (int, float)) and not -NUMBER_MAX < value < NUMBER_MAX:
            raise NotJson(f"{place} is {value if isinstance(value, float) else 'an integer beyond 2^1023'}, "
                          "which JSON does not have")


def write(value: Any) -> str:
    """One line of JSON; the value was checked."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encodable(text: Any, bytes_max: int) -> str:
    """A text that can be written as UTF-8 in so many bytes."""
    return str(text).encode(errors="backslashreplace")[:bytes_max].decode(errors="ignore")
