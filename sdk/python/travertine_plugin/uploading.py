"""Bodies of requests in parts (trv.stream/2): `call.http(…, parts=)` sends one, `call.read_body()` reads one."""

import asyncio
from typing import Any, AsyncIterator, Callable, Dict, Iterator, Optional

from .failure import Failure
from .incoming import CallStreams, Stream
from .parts import Writing, closing_parts


class Uploads:
    """Those of one call. `session` has the frames, `number` is the call's."""

    def __init__(self, session: Any, number: int, streams: CallStreams):
        self._session = session
        self._number = number
        self._streams = streams

    # ---- what is sent

    async def send(self, request: Dict[str, Any], given: Any, asked: str, read: Callable[..., Any],
                   stream: Optional[Stream] = None) -> Any:
        """In the loop. `given` is any iterable, plain or asynchronous; gives what `read` makes of the answer."""
        writing, answer = await self._begin(request, asked, read, stream)
        try:
            if hasattr(given, "__aiter__"):
                try:
                    async for part in given:
                        await writing.write(part)
                finally:
                    if hasattr(given, "aclose"):
                        await given.aclose()
            else:
                with closing_parts(given):
                    for part in given:
                        await writing.write(part)
            writing.end()
        except BaseException as error:
            if not (isinstance(error, Failure) and writing.is_broken):
                answer.cancel()
                raise
        finally:
            self._forget(writing)
        return await answer

    def send_blocking(self, request: Dict[str, Any], given: Any, asked: str, read: Callable[..., Any],
                      stream: Optional[Stream] = None) -> Any:
        """The same in a thread, which `given` may block."""
        writing, answer = self._streams.block(self._begin(request, asked, read, stream))
        try:
            with closing_parts(given):
                for part in given:
                    self._streams.block(writing.write(part))
            self._session._loop.call_soon_threadsafe(writing.end)
        except BaseException as error:
            if not (isinstance(error, Failure) and writing.is_broken):
                self._session._loop.call_soon_threadsafe(answer.cancel)
                raise
        finally:
            self._session._loop.call_soon_threadsafe(self._forget, writing)
        return self._streams.block(waited(answer))

    async def _begin(self, request: Dict[str, Any], asked: str, read: Callable[..., Any], stream: Optional[Stream]) -> Any:
        writing = self._session._write_stream(self._number)
        if stream is not None:
            request = {**request, "in_parts": True}
        answer = self._session._loop.create_task(self._session._ask(
            self._number, "http_request", {**request, "body_stream": writing.stream}, asked, read, stream))
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen by who waits, if anybody
        await asyncio.sleep(0)  # until it is sent
        return writing, answer

    def _forget(self, writing: Writing) -> None:
        self._session._forget_stream(self._number, writing)

    # ---- what is read

    async def read(self) -> Stream:
        stream = Stream("the body of the request")
        self._session._read_body(self._number, stream)
        return stream

    async def parts(self, whole: bytes) -> AsyncIterator[bytes]:
        """For `async for`."""
        stream = await self.read()
        try:
            if whole:
                yield whole
            while part := await self._streams.next(stream):
                yield part
        finally:
            await self._streams.close(stream)

    def parts_blocking(self, whole: bytes) -> Iterator[bytes]:
        stream = self._streams.block(self.read())
        try:
            if whole:
                yield whole
            while part := self._streams.block(self._streams.next(stream)):
                yield part
        finally:
            self._streams.block(self._streams.close(stream))


async def waited(answer: Any) -> Any:
    return await answer
