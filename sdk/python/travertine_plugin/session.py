"""The frames between a plugin's program and its host; docs/protocols/plugin-frames.md defines them.

A Session belongs to one event loop. `send` is given one frame's name and members, from any thread.
"""

import asyncio
import base64
import contextvars
import functools
import inspect
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Optional, Tuple, Type

from . import json_text
from .call import AsyncCall, Call, CallContext
from .failure import Cancelled, CODES, Failure, Refused
from .incoming import CallStreams, Stream
from .parts import Writing, closing_parts
from .uploading import Uploads
from .web import WebResponse, response_members

OUTPUT_BYTES_MAX = 1_000_000
DETAIL_BYTES_MAX = 16_384
STATE_BYTES_MAX = 1_000_000
LOG_BYTES_MAX = 4_000
THREADS_MAX = 32
FRAMES_OF_A_TRACEBACK_MAX = 20

Send = Callable[[str, Dict[str, Any]], None]
call_number: "contextvars.ContextVar[int]" = contextvars.ContextVar("call_number", default=0)


class HostLog(logging.Handler):
    """Sends each line of `logging` to the host, with the number of the call that it is of."""

    def __init__(self, send: Send):
        super().__init__()
        self._send_frame = send

    def emit(self, record: logging.LogRecord) -> None:
        level = ("debug" if record.levelno < logging.INFO else "info" if record.levelno < logging.WARNING else
                 "warning" if record.levelno < logging.ERROR else "error")
        try:
            for line in self.format(record).splitlines():
                body: Dict[str, Any] = {"level": level, "message": json_text.encodable(line, LOG_BYTES_MAX)}
                if call_number.get():
                    body["call"] = call_number.get()
                self._send_frame("log", body)
        except Exception:  # as every handler does: a line of the log never ends what it is about
            self.handleError(record)


class OpenCall:
    """A call that is not answered yet."""

    def __init__(self, context: CallContext, task: "asyncio.Task[None]", is_plain: bool):
        self.context = context
        self.task = task
        self.is_plain = is_plain
        self.requests: Dict[int, "asyncio.Future[Any]"] = {}
        self.writing: Dict[int, Writing] = {}  # by stream


class Session:
    def __init__(self, plugin: Any, send: Send):
        self._plugin = plugin
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="operation")
        self._calls: Dict[int, OpenCall] = {}
        self._requests: Dict[int, int] = {}  # the request's number to its call's
        self._asked: Dict[int, Tuple[str, Callable[[str, Dict[str, Any]], Any]]] = {}  # what, and how to read the answer
        self._incoming: Dict[int, Stream] = {}  # answers in parts, by their request's number
        self._last_request = 0
        self._streams: Dict[int, Writing] = {}  # what is written, by stream
        self._configuration: Dict[str, Any] = {}
        self.log = HostLog(send)
        self.is_over = asyncio.Event()

    def take(self, name: str, body: Dict[str, Any]) -> None:
        """One frame of the host's; those that are not known are for later versions."""
        frames: Dict[str, Callable[[Dict[str, Any]], None]] = {
            "begin": lambda body: self._start(self._begin(body)),
            "invoke": self._invoke,
            "serve": self._serve,
            "cancel": self._cancel,
            "http_response": lambda body: self._answered(body, None),
            "http_error": lambda body: self._answered(body, host_failure(body)),
            "store_answer": lambda body: self._answered(body, None),
            "blob_answer": lambda body: self._answered(body, None),
            "signed": lambda body: self._answered(body, None),
            "emitted": lambda body: self._answered(body, None),
            "request_failed": lambda body: self._answered(body, host_failure(body)),
            "room": lambda body: self._of_stream(body, lambda parts: parts.taken(body["bytes"])),
            "part": self._part,
            "stream_ended": self._stream_ended,
            "save": lambda body: self._start(self._save()),
            "ping": lambda body: self._send("pong", {"number": body["number"]}),
            "end": lambda body: self._start(self._end()),
        }
        if name in frames:
            frames[name](body)

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._last_started = task  # the loop itself holds tasks weakly
        return task

    # ---- the plugin's life

    async def _begin(self, body: Dict[str, Any]) -> None:
        self._configuration = body.get("configuration") or {}
        ready: Dict[str, Any] = {"operations": list(self._plugin.operations)}
        if self._plugin.save and self._plugin.restore:
            ready["keeps_state"] = True
        if body.get("trial"):
            return self._send("ready", ready)  # there is no configuration to begin with
        doing = ""
        try:
            for work in self._plugin.at_begin:
                await self._run(work, self._configuration)
            if "saved_by" in body and self._plugin.restore:
                doing = f"does not take the state that {body['saved_by']} saved: "
                await self._run(self._plugin.restore, body["saved_by"], base64.b64decode(body["state_base64"]))
            if body.get("checks_health") and self._plugin.check:
                doing = "is not well: "
                await self._run(self._plugin.check)
        except Refused as refusal:
            self._refuse(f"plugin '{body['plugin']}' {body['version']} {doing}{refusal}" if doing else str(refusal))
        except Exception as error:
            self._log_traceback(error)
            self._refuse(f"{one_line(error)}, while it began")
        else:
            self._send("ready", ready)

    def _refuse(self, message: str) -> None:
        self._send("refused", {"message": json_text.encodable(message, LOG_BYTES_MAX)})
        self.is_over.set()

    async def _save(self) -> None:
        try:
            if self._plugin.save is None:
                raise Refused("it has no on_save")
            state = await self._run(self._plugin.save)
            given = state.encode() if isinstance(state, str) else bytes(memoryview(state))
            if len(given) > STATE_BYTES_MAX:
                raise Refused(f"it has {len(given)} bytes, at most {STATE_BYTES_MAX} are handed over")
            self._send("saved", {"state_base64": base64.b64encode(given).decode()})
        except Refused as refusal:
            self._send("saved", {"problem": json_text.encodable(str(refusal), LOG_BYTES_MAX) or "it does not say why"})
        except Exception as error:
            self._log_traceback(error)
            self._send("saved", {"problem": json_text.encodable(one_line(error), LOG_BYTES_MAX)})

    async def _end(self) -> None:
        for work in self._plugin.at_end:
            try:
                await self._run(work)
            except Exception as error:
                self._log_traceback(error)
        self.is_over.set()

    async def settle(self) -> None:
        """Until no request waits: threads that were waiting have heard that their calls are cancelled."""
        for number in list(self._calls):
            self._cancel({"call": number})
        while self._requests:
            await asyncio.sleep(0)
        for _ in range(3):  # from the request to its task, and from there to the thread
            await asyncio.sleep(0)

    # ---- calls

    def _invoke(self, body: Dict[str, Any]) -> None:
        number = body["call"]
        function = self._plugin.operations.get(body["operation"])
        if function is None:
            has = ", ".join(sorted(self._plugin.operations)) or "none"
            self._fail(number, Failure(f"the program has no operation '{body['operation']}'; it has: {has}", "not_found"))
            return
        self._begin_call(number, function, body)

    def _serve(self, body: Dict[str, Any]) -> None:
        if self._plugin.serves is None:
            self._fail(body["call"], Failure("the program serves nothing", "not_found"))
            return
        self._begin_call(body["call"], self._plugin.serves, body)

    def _begin_call(self, number: int, function: Callable[..., Any], body: Dict[str, Any]) -> None:
        is_plain = not inspect.iscoroutinefunction(function)
        kind: Type[Any] = Call if is_plain else AsyncCall
        call = kind(body, self._configuration)
        call._ask = functools.partial(self._ask_and_block if is_plain else self._ask, number)
        call._streams = CallStreams(self, number)
        call._uploads = Uploads(self, number, call._streams)
        call._tell = lambda name, body: self._send(name, {"call": number, **body})
        context = contextvars.copy_context()
        context.run(call_number.set, number)
        task = context.run(self._loop.create_task, self._answer(number, function, call))
        self._calls[number] = OpenCall(call, task, is_plain)
        task.add_done_callback(lambda done: self._cancelled_early(number))

    async def _answer(self, number: int, function: Callable[..., Any], call: CallContext) -> None:
        failure: Optional[Failure] = None
        try:
            output = await self._run(function, call)
            if number in self._calls:
                if call.request is None:
                    self._send("answer", {"call": number, "output": output_of(call.operation, output)})
                elif isinstance(output, WebResponse) and output.parts is not None:
                    await self._send_parts(number, output)
                else:
                    self._send("respond", {"call": number, **response_members(output)})
        except Failure as error:
            failure = error
        except asyncio.CancelledError:
            failure = Cancelled()
        except SystemExit as error:
            failure = Failure(f"operation '{call.operation}' called exit({error.code!r}); raise Failure to fail a call")
        except Exception as error:
            self._log_traceback(error)
            failure = Failure(one_line(error))
        if failure and number in self._calls:
            self._fail(number, failure)
        self._calls.pop(number, None)

    def _cancelled_early(self, number: int) -> None:
        # A task that is cancelled before it runs answers nothing itself.
        if self._calls.pop(number, None):
            self._fail(number, Cancelled())

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        context = contextvars.copy_context()

        def run() -> Any:
            try:
                return context.run(function, *arguments)
            except StopIteration as error:  # a future cannot carry it
                raise RuntimeError("StopIteration") from error

        return await self._loop.run_in_executor(self._threads, run)

    def _fail(self, number: int, failure: Failure) -> None:
        body: Dict[str, Any] = {"call": number, "code": failure.code,
                                "message": json_text.encodable(failure.message, LOG_BYTES_MAX)}
        if failure.may_retry:
            body["may_retry"] = True
        if failure.retry_after:
            body["retry_after_ms"] = int(failure.retry_after * 1000)
        if failure.status:
            body["status"] = failure.status
        if failure.detail is not None:
            try:
                json_text.check(failure.detail, "detail")
                if len(json_text.write(failure.detail).encode()) > DETAIL_BYTES_MAX:
                    raise json_text.NotJson(f"detail has more than {DETAIL_BYTES_MAX} bytes")
                body["detail"] = failure.detail
            except json_text.NotJson as error:
                logging.getLogger("plugin").warning("the detail of a failure is dropped: %s", error)
        self._send("failed", body)

    def _cancel(self, body: Dict[str, Any]) -> None:
        call = self._calls.get(body["call"])
        if call is None:
            return
        call.context._is_cancelled = True
        if not call.is_plain:
            call.task.cancel()
            return
        # A thread cannot be ended from outside: the call is answered, and what the thread still asks raises Cancelled.
        del self._calls[body["call"]]
        self._fail(body["call"], Cancelled())
        for writing in call.writing.values():
            writing.cancel()
        for waiting in call.requests.values():
            if not waiting.done():
                waiting.set_exception(Cancelled())

    # ---- answers in parts

    async def _send_parts(self, number: int, response: WebResponse) -> None:
        call = self._calls[number]
        if response.body or response.json is not None:
            raise Failure("a response has either a body or parts")
        parts = self._write_stream(number, "response")
        head = response_members(WebResponse(response.status, b"", response.headers))
        try:
            parts.begin({"status": head["status"], "headers": head["headers"]})
            if hasattr(response.parts, "__aiter__"):
                await self._write_async(parts, response.parts)
            elif call.is_plain:
                await self._run(self._write_blocking, parts, response.parts)
            else:
                with closing_parts(response.parts):
                    for part in response.parts:
                        await parts.write(part)
            if number in self._calls:
                parts.end()
        finally:
            self._forget_stream(number, parts)

    def _write_stream(self, number: int, what: str = "request") -> Writing:
        call = self._calls.get(number)
        if call is None:
            raise Cancelled()
        self._last_request += 1
        writing = Writing(number, self._last_request, self._send, call.requests, what)
        self._streams[writing.stream] = call.writing[writing.stream] = writing
        return writing

    def _forget_stream(self, number: int, writing: Writing) -> None:
        self._streams.pop(writing.stream, None)
        if call := self._calls.get(number):
            call.writing.pop(writing.stream, None)

    def _read_body(self, number: int, stream: Stream) -> None:
        if number not in self._calls:
            raise Cancelled()
        self._last_request += 1
        stream.number = self._last_request
        self._incoming[stream.number] = stream
        self._send("read_body", {"call": number, "stream": stream.number})

    async def _write_async(self, parts: Writing, given: Any) -> None:
        try:
            async for part in given:
                await parts.write(part)
        finally:
            if hasattr(given, "aclose"):
                await given.aclose()

    def _write_blocking(self, parts: Writing, given: Any) -> None:
        with closing_parts(given):
            for part in given:
                asyncio.run_coroutine_threadsafe(parts.write(part), self._loop).result()

    def _of_stream(self, body: Dict[str, Any], do: Callable[[Writing], None]) -> None:
        if writing := self._streams.get(body["stream"]):
            do(writing)

    # ---- requests

    async def _ask(self, number: int, frame: str, request: Dict[str, Any], asked: str,
                   read: Callable[[str, Dict[str, Any]], Any], stream: Optional[Stream] = None) -> Any:
        if number not in self._calls:
            raise Cancelled()
        self._last_request += 1
        which = self._last_request
        answer: "asyncio.Future[Any]" = self._loop.create_future()
        self._asked[which] = (asked, read)
        if stream is not None:
            stream.number = which
            self._incoming[which] = stream
        try:
            self._send(frame, {"call": number, "request": which, **request})
            return await self._wait(number, which, answer)
        finally:
            del self._asked[which]

    async def _wait(self, number: int, which: int, answer: "asyncio.Future[Any]") -> Any:
        """For what arrives under the number of a request, or the end of its call."""
        call = self._calls.get(number)
        if call is None:
            raise Cancelled()
        call.requests[which] = answer
        self._requests[which] = number
        try:
            return await answer
        finally:
            del call.requests[which], self._requests[which]

    def _ask_and_block(self, number: int, *request: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(self._ask(number, *request), self._loop).result()

    def _answered(self, body: Dict[str, Any], failure: Optional[Failure]) -> None:
        which = body["request"]
        call = self._calls.get(self._requests.get(which, 0))
        answer = call.requests.get(which) if call else None
        if answer is None or answer.done():
            return
        if which not in self._asked:
            return
        asked, read = self._asked[which]
        if failure:
            failure.args = (f"{asked}: {failure.message}",)
            failure.message = failure.args[0]
            answer.set_exception(failure)
        else:
            answer.set_result(read(asked, body))

    def _part(self, body: Dict[str, Any]) -> None:
        if stream := self._incoming.get(body["stream"]):
            stream.add(base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode())

    def _stream_ended(self, body: Dict[str, Any]) -> None:
        if stream := self._incoming.get(body["stream"]):
            stream.end(host_failure(body) if "code" in body else None)
        else:
            self._of_stream(body, lambda parts: parts.broke(host_failure(body)))

    def _log_traceback(self, error: BaseException) -> None:
        # The first frames are those of this file.
        lines = traceback.format_exception(type(error), error, own_traceback(error), -FRAMES_OF_A_TRACEBACK_MAX)
        logging.getLogger("plugin").error("%s", "".join(lines).rstrip())


def output_of(operation: str, output: Any) -> Any:
    try:
        json_text.check(output, "output")
    except json_text.NotJson as error:
        raise Failure(f"operation '{operation}' returned what is not JSON: {error}") from None
    size = len(json_text.write(output).encode())
    if size > OUTPUT_BYTES_MAX:
        raise Failure(f"operation '{operation}' returned {size} bytes of JSON; at most {OUTPUT_BYTES_MAX} are taken",
                      "too_large")
    return output


def host_failure(body: Dict[str, Any]) -> Failure:
    code = body.get("code", "internal")
    return Failure(body.get("message", ""), code if code in CODES else "internal",
                   may_retry=code in ("timeout", "exhausted", "unavailable"))


def one_line(error: BaseException) -> str:
    """An exception as the last line of its traceback says it."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def own_traceback(error: BaseException) -> Any:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and is_of_the_sdk(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def is_of_the_sdk(file: str) -> bool:
    return file == __file__ or file.endswith("/concurrent/futures/thread.py")
