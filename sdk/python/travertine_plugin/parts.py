"""What a plugin writes in parts (trv.stream/1 and /2): what the receiver has room for goes out, the rest waits for it."""

import asyncio
import base64
import contextlib
from typing import Any, Callable, Dict, Optional

from .failure import Cancelled, Failure

PART_BYTES_MAX = 65_536
ROOM_BYTES = 262_144


class Writing:
    """One stream that an open call writes: `what` it is of. Belongs to the loop."""

    def __init__(self, call: int, stream: int, send: Callable[[str, Dict[str, Any]], None],
                 waiting: "Dict[int, asyncio.Future[Any]]", what: str):
        """waiting: what the call waits for, by number; its cancel ends each."""
        self.stream = stream
        self._names = {"call": call, "stream": stream}
        self._send = send
        self._waiting = waiting
        self._room = ROOM_BYTES
        self._failure: Optional[Failure] = None
        self._is_cancelled = False
        self._what = what

    @property
    def is_broken(self) -> bool:
        """The receiver takes no more."""
        return self._failure is not None

    def begin(self, head: Dict[str, Any]) -> None:
        self._send("respond_in_parts", {**self._names, **head})

    async def write(self, part: Any) -> None:
        """Returns when all of it is on its way. Raises Failure where the host takes no more, and Cancelled."""
        if isinstance(part, str):
            try:
                part = part.encode()
            except UnicodeEncodeError as error:
                raise Failure(f"a part of the {self._what} has half a character at {error.start}") from None
        if not isinstance(part, (bytes, bytearray)):
            raise Failure(f"a part of the {self._what} is a {type(part).__name__}, which is neither str nor bytes")
        left = memoryview(bytes(part))
        while len(left):
            if self._is_cancelled:
                raise Cancelled()
            if self._failure:
                raise self._failure
            if self._room == 0:
                await self._wait()
                continue
            size = min(len(left), self._room, PART_BYTES_MAX)
            self._room -= size
            self._send("write", {**self._names, "base64": base64.b64encode(left[:size]).decode()})
            left = left[size:]

    def end(self) -> None:
        self._send("end_stream", self._names)

    def taken(self, byte_count: int) -> None:
        self._room += byte_count
        self._go_on()

    def broke(self, failure: Failure) -> None:
        self._failure = failure
        self._go_on()

    def cancel(self) -> None:
        self._is_cancelled = True
        self._go_on()

    def _go_on(self) -> None:
        waiting = self._waiting.get(self.stream)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _wait(self) -> None:
        self._waiting[self.stream] = asyncio.get_running_loop().create_future()
        try:
            await self._waiting[self.stream]
        finally:
            del self._waiting[self.stream]


def closing_parts(given: Any) -> Any:
    """Ends a generator where it is left before its end."""
    return contextlib.closing(given) if hasattr(given, "close") else contextlib.nullcontext()
