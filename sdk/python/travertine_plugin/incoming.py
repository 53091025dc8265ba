"""Answers that come in parts: what `call.http_in_parts` gives.

In a plain operation:

    with call.http_in_parts("GET", "/export") as answer:
        answer.raise_for_status()
        for part in answer:
            use(part)

In an `async def` operation the same with `async with` and `async for`. A part is bytes, at most 262,144 of them; while
the operation does not read, the service waits, and memory holds no more than that. Leaving the block early drops the rest.
Raises Failure where the rest will not come.
"""

import asyncio
from typing import Any, AsyncIterator, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

from .failure import Failure, code_of_status, retry_after_of

REPORTED_FROM = 32_768  # bytes: not each part is reported as taken for itself
Ask = Callable[..., Any]
AnyHead = TypeVar("AnyHead", bound="Head")


class Head:
    """Status and headers of the answer."""

    def __init__(self, asked: str, status: int, headers: List[Tuple[str, str]]):
        self.status = status
        self.headers = headers
        self._asked = asked

    @property
    def ok(self) -> bool:
        return 200 <= self.status <= 299

    def header(self, name: str, missing: Optional[str] = None) -> Optional[str]:
        """The first header of that name, in any case of letters."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), missing)

    def raise_for_status(self: AnyHead, message: str = "") -> AnyHead:
        """Raises the Failure that a status outside 2xx means; 408, 429 and 5xx may be retried. Else gives itself."""
        if self.ok:
            return self
        code = code_of_status(self.status)
        may_retry = code in ("timeout", "exhausted", "unavailable")
        raise Failure(message or f"{self._asked} was answered with {self.status}", code, status=self.status,
                      may_retry=may_retry,
                      retry_after=retry_after_of(self.header("Retry-After"), self.header("Date")) if may_retry else 0)


class Stream:
    """One answer on its way, in the event loop of its session."""

    def __init__(self, asked: str):
        self.number = 0
        self.asked = asked
        self.waiting: "Optional[asyncio.Future[None]]" = None
        self.has_ended = False
        self.untaken = 0
        self._parts: List[bytes] = []
        self._failure: Optional[Failure] = None

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._wake()

    def end(self, failure: Optional[Failure]) -> None:
        self.has_ended = True
        if failure:
            failure.message = f"{self.asked}: {failure.message}"
            failure.args = (failure.message,)
        self._failure = failure
        self._wake()

    def take(self) -> Optional[bytes]:
        """All that is there; None: nothing yet. Empty: the answer is whole."""
        if self._parts:
            part = b"".join(self._parts)
            self._parts.clear()
            self.untaken += len(part)
            return part
        if self._failure:
            raise self._failure
        return b"" if self.has_ended else None

    def to_report(self) -> int:
        if self.has_ended or self.untaken < REPORTED_FROM:
            return 0
        taken, self.untaken = self.untaken, 0
        return taken

    def _wake(self) -> None:
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(None)


class Incoming(Head):
    """The answer within a plain operation's `with`."""

    def __init__(self, head: Head, next_part: Callable[[], bytes]):
        super().__init__(head._asked, head.status, head.headers)
        self._next = next_part

    def __iter__(self) -> Iterator[bytes]:
        while part := self._next():
            yield part


class AsyncIncoming(Head):
    """The answer within an `async with`."""

    def __init__(self, head: Head, next_part: Callable[[], Any]):
        super().__init__(head._asked, head.status, head.headers)
        self._next = next_part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._next():
            yield part


class Opening:
    """What `with` takes."""

    def __init__(self, streams: Any, request: Dict[str, Any], asked: str, uploads: Any = None, parts: Any = None):
        self._streams = streams
        self._request = request
        self._stream = Stream(asked)
        self._uploads = uploads
        self._parts = parts  # of the body that is sent

    def __enter__(self) -> Incoming:
        if self._parts is None:
            head = self._streams.block(self._streams.open(self._stream, self._request))
        else:
            head = self._uploads.send_blocking(self._request, self._parts, self._stream.asked, head_of, self._stream)
        return Incoming(head, lambda: self._streams.block(self._streams.next(self._stream)))

    def __exit__(self, *_: Any) -> None:
        self._streams.block(self._streams.close(self._stream))


class AsyncOpening:
    """What `async with` takes."""

    def __init__(self, streams: Any, request: Dict[str, Any], asked: str, uploads: Any = None, parts: Any = None):
        self._streams = streams
        self._request = request
        self._stream = Stream(asked)
        self._uploads = uploads
        self._parts = parts  # of the body that is sent

    async def __aenter__(self) -> AsyncIncoming:
        if self._parts is None:
            head = await self._streams.open(self._stream, self._request)
        else:
            head = await self._uploads.send(self._request, self._parts, self._stream.asked, head_of, self._stream)
        return AsyncIncoming(head, lambda: self._streams.next(self._stream))

    async def __aexit__(self, *_: Any) -> None:
        await self._streams.close(self._stream)


class CallStreams:
    """Those of one call. `session` has the frames, `number` is the call's."""

    def __init__(self, session: Any, number: int):
        self._session = session
        self._number = number

    def block(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._session._loop).result()

    async def open(self, stream: Stream, request: Dict[str, Any]) -> Head:
        try:
            return await self._session._ask(self._number, "http_request", {**request, "in_parts": True}, stream.asked,
                                            head_of, stream)
        except BaseException:
            await self.close(stream)
            raise

    async def next(self, stream: Stream) -> bytes:
        while (part := stream.take()) is None:
            stream.waiting = self._session._loop.create_future()
            await self._session._wait(self._number, stream.number, stream.waiting)
        if taken := stream.to_report():
            self._session._send("take", {"call": self._number, "stream": stream.number, "bytes": taken})
        return part

    async def close(self, stream: Stream) -> None:
        if self._session._incoming.pop(stream.number, None) and not stream.has_ended:
            self._session._send("drop", {"call": self._number, "stream": stream.number})


def head_of(asked: str, frame: Dict[str, Any]) -> Head:
    return Head(asked, frame["status"], [(name, value) for name, value in frame.get("headers", [])])
