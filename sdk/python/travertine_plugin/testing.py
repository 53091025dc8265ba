"""A host for tests: it calls operations, is the service that they ask, and keeps what they log.

    class GreetTest(unittest.TestCase):
        def setUp(self):
            self.host = FakeHost(plugin)
            self.addCleanup(self.host.end)

        def test_greets(self):
            self.assertEqual(self.host.call("greet", {"name": "Ada"}), {"text": "Hello, Ada"})

The frames are those of the real host. Inputs and outputs are not held against the manifest's schemas here.
"""

import asyncio
import base64
import dataclasses
import json
import logging
import pathlib
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from . import json_text
from .call import request_of
from .failure import CODES, Failure, Refused
from .fake_blobs import FakeBlobs
from .fake_store import FakeStore
from .session import Session


ROOM_BYTES = 262_144  # of a stream, that the plugin need not have taken
PART_BYTES = 65_536


@dataclasses.dataclass
class Answer:
    """What the service answers. `json` in place of `body`: any value of JSON. To a request in parts: `parts` in place of
    `body`, and where `breaks` is given, the answer breaks off behind them."""

    status: int = 200
    body: Union[str, bytes] = b""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    json: Any = None
    parts: Optional[Iterable[bytes]] = None
    breaks: "Optional[NoAnswer]" = None


@dataclasses.dataclass
class NoAnswer:
    """The request comes to nothing: the host says why."""

    code: str = "unavailable"
    message: str = "the service does not answer"


class Cancel:
    """In place of an answer: the call is cancelled while it waits."""


@dataclasses.dataclass
class Request:
    """A request that an operation made."""

    method: str
    path: str
    connection: str
    headers: Dict[str, str]
    body: bytes
    timeout_ms: int = 0
    in_parts: bool = False
    dropped: bool = False  # the operation left an answer in parts before its end

    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass
class Coming:
    """An answer in parts that is on its way."""

    call: int
    request: "Optional[Request]"  # None: it is the body of a request to the plugin
    parts: List[bytes]
    breaks: "Optional[NoAnswer]"
    room: int = ROOM_BYTES


@dataclasses.dataclass
class Upload:
    """A request whose body is on its way."""

    frame: Dict[str, Any]
    answers_early: bool
    parts: List[bytes] = dataclasses.field(default_factory=list)
    waiting: int = 0


@dataclasses.dataclass
class Served:
    """What the plugin answered a client."""

    status: int
    headers: Dict[str, str]
    body: bytes
    parts: List[bytes] = dataclasses.field(default_factory=list)  # of an answer in parts, as they were sent

    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass
class Signed:
    """What an operation had signed; the signature is b"signed"."""

    secret: str
    signature: str
    data: bytes


@dataclasses.dataclass
class Event:
    """What an operation emitted."""

    id: str
    type: str
    data: Any = None
    subject: str = ""


@dataclasses.dataclass
class LogLine:
    level: str
    message: str


Given = Union[Answer, NoAnswer, Cancel]


class FakeHost:
    """One plugin with its configuration, from begin to end. For one thread. Raises Refused where the plugin refuses."""

    def __init__(self, plugin: Any, configuration: Optional[Dict[str, Any]] = None,
                 state: Optional[Tuple[str, Union[str, bytes]]] = None):
        """state: what another version saved, as (its version, what host.save() gave). The plugin's health is checked."""
        self.requests: List[Request] = []
        self.logs: List[LogLine] = []
        self.measured: List[Tuple[str, str, float, Dict[str, str]]] = []
        self.spans: List[Tuple[str, int, Dict[str, str]]] = []
        self.spans_ended: List[int] = []
        self.streamed = ""
        self.progress: List[Tuple[Optional[float], str]] = []
        self.store = FakeStore()
        self.blobs = FakeBlobs()
        self.signed: List[Signed] = []
        self.events: List[Event] = []
        self.sent_parts: List[bytes] = []  # of answers in parts, also of those that were broken off
        self._parts: Dict[int, Served] = {}
        self._tenants: Dict[int, str] = {}
        self._keys: Dict[int, str] = {}
        self._plugin = plugin
        self._last_call = 0
        self._waiting: Dict[int, "asyncio.Future[Any]"] = {}
        self._errors: Dict[int, Exception] = {}
        self._service: Dict[int, Callable[[Request], Given]] = {}
        self._coming: Dict[int, Coming] = {}
        self._uploads: Dict[int, Upload] = {}
        self._bodies: Dict[int, Tuple[Iterable[bytes], Optional[NoAnswer]]] = {}  # by call
        self._answers_early = False
        self._loop = asyncio.new_event_loop()
        self._began: "asyncio.Future[None]" = self._loop.create_future()
        try:
            self._session = self._loop.run_until_complete(self._make_session())
            logging.getLogger().addHandler(self._session.log)
            self._level = logging.getLogger().level
            logging.getLogger().setLevel(logging.INFO)
            begin: Dict[str, Any] = {"plugin": "test", "version": "0.0.0", "configuration": configuration or {},
                                     "checks_health": True}
            if state is not None:
                given = state[1].encode() if isinstance(state[1], str) else state[1]
                begin.update(saved_by=state[0], state_base64=base64.b64encode(given).decode())
            self._say("begin", begin)
            self._loop.run_until_complete(self._began)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> "FakeHost":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def call(self, operation: str, input: Any = None, *,
             http: Union[Iterable[Given], Callable[[Request], Given]] = (), tenant: str = "acme",
             connection: str = "default", idempotency_key: str = "acme/instance/task/1",
             attempt: int = 1, timeout: float = 30) -> Any:
        """Calls an operation and gives its output; raises Failure as the call fails.

        http   what the service answers: a list, in the order of the requests, or a function of a Request
        """
        return self._begin("invoke", {"operation": operation, "tenant": tenant, "connection": connection,
                                      "idempotency_key": idempotency_key, "traceparent": "", "attempt": attempt,
                                      "timeout_ms": int(timeout * 1000), "input": {} if input is None else input}, http)

    def _begin(self, frame: str, body: Dict[str, Any],
               http: Union[Iterable[Given], Callable[[Request], Given]]) -> Any:
        self._last_call += 1
        number = self._last_call
        if callable(http):
            self._service[number] = http
        else:
            given = iter(http)
            self._service[number] = lambda request: next(given, None) or NoAnswer(
                message=f"the test gives no answer to {request.method} {request.path}: call(…, http=[Answer(…)])")
        answer: "asyncio.Future[Any]" = self._loop.create_future()
        self._waiting[number] = answer
        self._tenants[number] = body["tenant"]
        self._keys[number] = body["idempotency_key"]
        self._emitted = 0
        self._say(frame, {"call": number, **body})
        return self._loop.run_until_complete(answer)

    def answer_early(self) -> None:
        """From here on the service answers a body that is sent in parts at its first part, and takes no more."""
        self._answers_early = True

    def serve(self, method: str, path: str, *, query: str = "", body: Union[str, bytes] = b"",
              headers: Optional[Mapping[str, str]] = None, tenant: str = "acme", principal_name: str = "test",
              role: str = "owner", http: Union[Iterable[Given], Callable[[Request], Given]] = (),
              timeout: float = 30, parts: Optional[Iterable[bytes]] = None,
              breaks: Optional[NoAnswer] = None) -> Served:
        """Asks what the plugin serves; raises Failure as the call fails. The headers are not held against the host's list.
        `parts` in place of `body`: it comes as the plugin reads it, and breaks off behind them where `breaks` is given."""
        if parts is not None:
            split = [part[at:at + PART_BYTES] for part in parts for at in range(0, len(part), PART_BYTES)]
            self._bodies[self._last_call + 1] = (split, breaks)
        raw = body.encode() if isinstance(body, str) else body
        return self._begin("serve", {"method": method, "path": path, "query": query, "tenant": tenant,
                                     "principal": "token:test", "principal_name": principal_name, "role": role,
                                     "headers": [[name.lower(), value] for name, value in (headers or {}).items()],
                                     "idempotency_key": "serve/test", "traceparent": "",
                                     "body_base64": base64.b64encode(raw).decode(),
                                     "timeout_ms": int(timeout * 1000)}, http)

    def save(self) -> bytes:
        """What the plugin keeps in memory, as when its tenant switches to another version. Raises Refused."""
        self._saved: "asyncio.Future[bytes]" = self._loop.create_future()
        self._say("save", {})
        return self._loop.run_until_complete(self._saved)

    def check_manifest(self, manifest: Union[str, pathlib.Path]) -> None:
        """Raises AssertionError where manifest and program do not have the same operations."""
        declared = {operation["name"] for operation in json.loads(pathlib.Path(manifest).read_text())["operations"]}
        for name in sorted(declared - set(self._plugin.operations)):
            raise AssertionError(f"the manifest has the operation '{name}', the program has not")
        for name in sorted(set(self._plugin.operations) - declared):
            raise AssertionError(f"the program has the operation '{name}', the manifest has not")

    def end(self) -> None:
        """As when the host unloads the plugin."""
        if self._loop.is_closed():
            return
        self._say("end", {})
        self._loop.run_until_complete(self._session.is_over.wait())
        self._loop.run_until_complete(self._session.settle())
        self._close()

    def _close(self) -> None:
        if hasattr(self, "_level"):
            logging.getLogger().removeHandler(self._session.log)
            logging.getLogger().setLevel(self._level)
        self._loop.close()

    async def _make_session(self) -> Session:
        return Session(self._plugin, self._send)

    def _send(self, name: str, body: Dict[str, Any]) -> None:
        line = json_text.write({name: body}).encode()
        self._loop.call_soon_threadsafe(self._take, line)

    def _say(self, name: str, body: Dict[str, Any]) -> None:
        json_text.check(body, name)
        (name, body), = json.loads(json_text.write({name: body})).items()
        self._loop.call_soon(self._session.take, name, body)

    def _take(self, line: bytes) -> None:
        (name, body), = json.loads(line).items()
        if name == "ready":
            self._began.set_result(None)
        elif name == "refused":
            self._began.set_exception(Refused(body["message"]))
        elif name == "answer":
            self._waiting.pop(body["call"]).set_result(body["output"])
        elif name == "respond":
            headers = {key.lower(): value for key, value in body.get("headers", [])}
            served = Served(body.get("status", 200), headers, base64.b64decode(body.get("body_base64", "")))
            self._waiting.pop(body["call"]).set_result(served)
        elif name == "read_body":
            parts, breaks = self._bodies.pop(body["call"], ([], None))
            self._coming[body["stream"]] = Coming(body["call"], None, list(parts), breaks)
            self._go_on(body["stream"], self._coming[body["stream"]])
        elif name == "write" and body["stream"] in self._uploads:
            upload = self._uploads[body["stream"]]
            part = base64.b64decode(body["base64"])
            upload.parts.append(part)
            upload.waiting += len(part)
            assert upload.waiting <= ROOM_BYTES, "more was written than there was room for"
            if upload.answers_early:
                del self._uploads[body["stream"]]
                self._say("stream_ended", {"stream": body["stream"], "code": "cancelled",
                                           "message": "the service has answered and takes no more of it"})
                self._serve({**upload.frame, "body_base64": base64.b64encode(b"".join(upload.parts)).decode()})
                return
            upload.waiting -= len(part)
            self._say("room", {"stream": body["stream"], "bytes": len(part)})
        elif name == "write" and body["stream"] not in self._parts:
            pass  # of what was answered early
        elif name == "end_stream" and body["stream"] in self._uploads:
            upload = self._uploads.pop(body["stream"])
            whole = b"".join(upload.parts)
            length = upload.frame.get("body_length", len(whole))
            assert len(whole) == length, f"{len(whole)} bytes were sent, and their length was given as {length}"
            self._serve({**upload.frame, "body_base64": base64.b64encode(whole).decode()})
        elif name == "respond_in_parts":
            self._parts[body["stream"]] = Served(body["status"], {key.lower(): one for key, one in body["headers"]}, b"")
        elif name == "write":
            part = base64.b64decode(body["base64"])
            self.sent_parts.append(part)
            self._parts[body["stream"]].parts.append(part)
            self._say("room", {"stream": body["stream"], "bytes": len(part)})
        elif name == "end_stream" and body["stream"] in self._parts:
            served = self._parts.pop(body["stream"])
            served.body = b"".join(served.parts)
            self._waiting.pop(body["call"]).set_result(served)
        elif name == "failed":
            failure = Failure(body["message"], body["code"], may_retry=body.get("may_retry", False),
                              retry_after=body.get("retry_after_ms", 0) / 1000, status=body.get("status", 0),
                              detail=body.get("detail"))
            self._waiting.pop(body["call"]).set_exception(self._errors.pop(body["call"], failure))
        elif name == "saved" and "problem" in body:
            self._saved.set_exception(Refused(body["problem"]))
        elif name == "saved":
            self._saved.set_result(base64.b64decode(body["state_base64"]))
        elif name == "measure":
            self.measured.append((body["metric"], body["name"], body["value"], body["labels"]))
        elif name == "begin_span":
            self.spans.append((body["name"], body["parent"], body["attributes"]))
        elif name == "end_span":
            self.spans_ended.append(body["span"])
        elif name == "stream":
            self.streamed += body["text"]
        elif name == "progress":
            self.progress.append((body["fraction"], body["text"]))
        elif name == "log":
            self.logs.append(LogLine(body["level"], body["message"]))
        elif name == "http_request" and "body_stream" in body:
            self._uploads[body["body_stream"]] = Upload(body, self._answers_early)
        elif name == "http_request":
            self._serve(body)
        elif name == "take":
            if coming := self._coming.get(body["stream"]):
                coming.room += body["bytes"]
                assert coming.room <= ROOM_BYTES, "more was taken than came"
                self._go_on(body["stream"], coming)
        elif name == "drop":
            if dropped := self._coming.pop(body["stream"], None):
                if dropped.request:
                    dropped.request.dropped = True
        elif name == "store_request":
            frame, members = self.store.answer(self._tenants[body["call"]], body)
            self._say(frame, {"request": body["request"], **members})
        elif name == "blob_request":
            frame, members = self.blobs.answer(self._tenants[body["call"]], body)
            self._say(frame, {"request": body["request"], **members})
        elif name == "sign_request":
            self.signed.append(Signed(body["secret"], body["signature"], base64.b64decode(body["data_base64"])))
            self._say("signed", {"request": body["request"], "signature_base64": base64.b64encode(b"signed").decode()})
        elif name == "emit_request":
            self._emitted += 1
            event = Event(f"{self._keys[body['call']]}/{self._emitted}", body["type"], body.get("data"), body["subject"])
            self.events.append(event)
            self._say("emitted", {"request": body["request"], "id": event.id})

    def _serve(self, body: Dict[str, Any]) -> None:
        request = Request(body["method"], body["path"], body["connection"], dict(body["headers"]),
                          base64.b64decode(body.get("body_base64", "")), body.get("timeout_ms", 0),
                          body.get("in_parts", False))
        self.requests.append(request)
        try:
            given = self._service[body["call"]](request)
        except Exception as error:  # of the test's own function: seen where the test waits
            self._errors[body["call"]] = error
            given = Cancel()
        which = {"request": body["request"]}
        if isinstance(given, Cancel):
            self._say("cancel", {"call": body["call"]})
        elif isinstance(given, NoAnswer):
            assert given.code in CODES, f"NoAnswer: {given.code!r} is not one of {', '.join(CODES)}"
            self._say("http_error", {**which, "code": given.code, "message": given.message})
        elif request.in_parts:
            members = answer_members(given)
            whole = base64.b64decode(members.pop("body_base64"))
            self._say("http_response", {**which, **members})
            parts = list(given.parts) if given.parts is not None else [whole]
            parts = [part[at:at + PART_BYTES] for part in parts for at in range(0, len(part), PART_BYTES)]
            coming = Coming(body["call"], request, parts, given.breaks)
            self._coming[body["request"]] = coming
            self._go_on(body["request"], coming)
        else:
            self._say("http_response", {**which, **answer_members(given)})

    def _go_on(self, stream: int, coming: Coming) -> None:
        while coming.parts and coming.room:
            part, rest = coming.parts[0][:coming.room], coming.parts[0][coming.room:]
            coming.parts[:1] = [rest] if rest else []
            coming.room -= len(part)
            self._say("part", {"stream": stream, "base64": base64.b64encode(part).decode()})
        if coming.parts:
            return
        del self._coming[stream]
        broke = {"code": coming.breaks.code, "message": coming.breaks.message} if coming.breaks else {}
        self._say("stream_ended", {"stream": stream, **broke})


def answer_members(answer: Answer) -> Dict[str, Any]:
    sent = request_of("GET", "/", "", answer.headers, None if answer.json is not None else answer.body, answer.json, None)
    return {"status": answer.status, "headers": sent["headers"], "body_base64": sent.get("body_base64", "")}


__all__: Tuple[str, ...] = ("Answer", "Cancel", "Event", "FakeHost", "FakeStore", "LogLine", "NoAnswer", "Request", "Served",
                            "Signed")
