"""What an operation knows of its call, and what it can ask of the host."""

import base64
import itertools
import json as json_module
import logging
import math
import time
from typing import Any, AsyncIterable, AsyncIterator, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from . import json_text, services
from .blob import Blobs
from .failure import Failure
from .incoming import AsyncOpening, CallStreams, Head, Opening
from .kv import Kv
from .uploading import Uploads
from .web import Part, WebRequest

BODY_BYTES_MAX = 1_000_000
LABELS_MAX = 4
Headers = Union[Mapping[str, str], Iterable[Tuple[str, str]]]


class Response(Head):
    """The answer of a service to one request."""

    def __init__(self, asked: str, status: int, headers: List[Tuple[str, str]], body: bytes):
        super().__init__(asked, status, headers)
        self.body = body

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises Failure where it is not."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise Failure(f"{self._asked} was answered with {self.status} and what is not text", "invalid",
                          status=self.status) from None

    def json(self) -> Any:
        """The body as a value of JSON. Raises Failure where it is not."""
        try:
            return json_module.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise Failure(f"{self._asked} was answered with {self.status} and what is not JSON: {error}", "invalid",
                          status=self.status) from None


class Span:
    """A named part of a call, whose time the host takes: from its making to end(), or to the end of its `with`."""

    def __init__(self, tell: Callable[[str, Dict[str, Any]], None], ids: Iterator[int], parent: int, name: str,
                 attributes: Dict[str, Any]):
        self._tell = tell
        self._ids = ids
        self._id = next(ids)
        self._is_open = True
        texts = {key: json_text.encodable(str(value), 256) for key, value in attributes.items()}
        body = {"span": self._id, "parent": parent, "name": json_text.encodable(name, 64), "attributes": texts}
        json_text.check(body, "span")
        self._tell("begin_span", body)

    def span(self, name: str, **attributes: Any) -> "Span":
        """A part of this part."""
        return Span(self._tell, self._ids, self._id, name, attributes)

    def end(self) -> None:
        """The second time does nothing."""
        if self._is_open:
            self._is_open = False
            self._tell("end_span", {"span": self._id})

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()


class CallContext:
    """What both kinds of calls have.

    input            as the manifest's schema lets it in
    configuration    the plugin's, of this tenant
    operation, tenant, connection, idempotency_key, traceparent
    attempt          1 at first; more where the host tries again with the same idempotency key
    log              a logger of `logging`; its lines are in the host's log, with this call's number
    request          a WebRequest, where the call is one
    kv               the plugin's store of this tenant, see Kv
    blobs            the large things that it keeps there, see Blobs
    """

    _ask: Callable[..., Any]
    _tell: Callable[[str, Dict[str, Any]], None]
    _streams: CallStreams
    _uploads: "Uploads"

    def __init__(self, invoke: Dict[str, Any], configuration: Dict[str, Any]):
        self.input: Any = invoke.get("input")
        self.configuration = configuration
        self.request: Optional[WebRequest] = WebRequest(invoke) if "path" in invoke else None
        self.operation: str = invoke.get("operation", "")
        self.tenant: str = invoke.get("tenant", "")
        self.connection: str = invoke.get("connection", "")
        self.idempotency_key: str = invoke.get("idempotency_key", "")
        self.traceparent: str = invoke.get("traceparent", "")
        self.attempt: int = invoke.get("attempt", 1)
        self.log = logging.getLogger("plugin")
        self._span_ids = itertools.count(1)
        self._blob_numbers = itertools.count(1)
        timeout_ms = invoke.get("timeout_ms", 0)
        self._ends_at = time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        self._is_cancelled = False

    @property
    def kv(self) -> Kv:
        return Kv(self._ask)

    @property
    def blobs(self) -> Blobs:
        return Blobs(self._ask, self._blob_numbers)

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Adds to a number of the plugin among those of the host, of all tenants together. Names are of a-z, 0-9 and _;
        at most 4 labels with few values, and nothing personal. From any thread."""
        self._measure("counter", name, by, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """As count; takes the place of the value before."""
        self._measure("gauge", name, value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """As count; for times in seconds."""
        self._measure("histogram", name, value, labels)

    def _measure(self, metric: str, name: str, value: float, labels: Dict[str, str]) -> None:
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{metric} '{name}': {value!r} is not a number")
        if len(labels) > LABELS_MAX:
            raise ValueError(f"{metric} '{name}' has {len(labels)} labels; at most {LABELS_MAX} are taken")
        body = {"metric": metric, "name": name, "value": value, "labels": {key: str(one) for key, one in labels.items()}}
        json_text.check(body, metric)
        self._tell("measure", body)

    def stream(self, text: str) -> None:
        """Adds text to what the call has given so far, for people who look while it runs, as the answer of a model comes
        word by word. It is not the output; the last 65,536 bytes are kept until the call ends."""
        if text:
            self._tell("stream", {"text": json_text.encodable(text, 65536)})

    def progress(self, fraction: Optional[float] = None, text: str = "") -> None:
        """Says how far the call is, for people who look at its workflow: from 0 to 1, None: not known. The last word
        counts, and nothing waits for it. From any thread."""
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"progress: fraction is {fraction!r}, which is not from 0 to 1")
        self._tell("progress", {"fraction": fraction, "text": json_text.encodable(text, 256)})

    def span(self, name: str, **attributes: Any) -> "Span":
        """Begins a named part of the call, so that operators see how long what takes: `with call.span("read", page=3):`.
        At most 64 of a call, with 8 attributes. Never secrets or personal data. From any thread."""
        return Span(self._tell, self._span_ids, 0, name, attributes)

    def sign(self, secret: str, data: Union[str, bytes], signature: str = "hmac-sha256") -> Any:
        """The bytes of a signature, by a secret that the plugin never sees: `secret` is the name that the configuration
        gives in a field which its schema marks with "secret": true. signature: also "ed25519" and "rsa-sha256". Awaited
        in an `async def` operation. Raises Failure where the host refuses."""
        return services.sign(self._ask, secret, data, signature)

    def emit(self, type: str, data: Any = None, *, subject: str = "") -> Any:
        """Emits an event of the tenant, which starts and wakes workflows, and gives its id. `type` begins with
        "com.<plugin>.". A call that is made again does not double what it emits in the same order. Awaited in an
        `async def` operation. Raises Failure where the host refuses."""
        return services.emit(self._ask, type, data, subject)

    @property
    def is_cancelled(self) -> bool:
        """Nobody waits for the answer any more. A plain operation that works for long looks here."""
        return self._is_cancelled

    @property
    def seconds_left(self) -> Optional[float]:
        """Until the call's time is up, at least 0; None: it has no end."""
        return None if self._ends_at is None else max(self._ends_at - time.monotonic(), 0.0)


class Call(CallContext):
    """The call of a plain operation, `def`, which runs in a thread of its own and may block."""

    def http(self, method: str, path: str, *, connection: str = "", headers: Optional[Headers] = None,
             body: Union[str, bytes, None] = None, json: Any = None, timeout: Optional[float] = None,
             parts: Optional[Iterable[Part]] = None, length: Optional[int] = None) -> Response:
        """Asks a service over a connection of the tenant, and waits for the answer, whatever its status.

        connection   as the manifest names it; missing: the one that the workflow's task names
        json         in place of `body`: any value of JSON, with its Content-Type
        timeout      seconds; with parts those without progress
        parts        in place of `body`: an iterable of str or bytes, such as a generator, up to 1 GiB; it is iterated as
                     fast as the service reads, and left where the service answers before its end
        length       bytes of all parts; without it they are sent in chunks
        Raises Failure where there is no answer, and Cancelled.
        """
        request = request_of(method, path, connection or self.connection, headers, body, json, timeout, parts, length)
        if parts is not None:
            return self._uploads.send_blocking(request, parts, f"{method} {path}", response_of)
        return self._ask("http_request", request, f"{method} {path}", response_of)

    def http_in_parts(self, method: str, path: str, *, connection: str = "", headers: Optional[Headers] = None,
                      body: Union[str, bytes, None] = None, json: Any = None,
                      timeout: Optional[float] = None, parts: Optional[Iterable[Part]] = None,
                      length: Optional[int] = None) -> Opening:
        """As http, for an answer that is long or comes over time, up to 1 GiB; `timeout` is that until its head:

            with call.http_in_parts("GET", "/export") as answer:
                for part in answer: ...
        """
        request = request_of(method, path, connection or self.connection, headers, body, json, timeout, parts, length)
        return Opening(self._streams, request, f"{method} {path}", self._uploads, parts)

    def read_body(self) -> Iterator[bytes]:
        """The body of the request that is served, part by part, where the manifest says "bodies": "in-parts"; once.
        While the function does not read, the client waits. Raises Failure where the rest will not come."""
        return self._uploads.parts_blocking(self.request.body if self.request else b"")


class AsyncCall(CallContext):
    """The call of an `async def` operation. All of these share one thread: wait with `await`, never block."""

    async def http(self, method: str, path: str, *, connection: str = "", headers: Optional[Headers] = None,
                   body: Union[str, bytes, None] = None, json: Any = None,
                   timeout: Optional[float] = None, parts: Union[Iterable[Part], AsyncIterable[Part], None] = None,
                   length: Optional[int] = None) -> Response:
        """As Call.http, with `await`; `parts` may be asynchronous."""
        request = request_of(method, path, connection or self.connection, headers, body, json, timeout, parts, length)
        if parts is not None:
            return await self._uploads.send(request, parts, f"{method} {path}", response_of)
        return await self._ask("http_request", request, f"{method} {path}", response_of)

    def http_in_parts(self, method: str, path: str, *, connection: str = "", headers: Optional[Headers] = None,
                      body: Union[str, bytes, None] = None, json: Any = None,
                      timeout: Optional[float] = None,
                      parts: Union[Iterable[Part], AsyncIterable[Part], None] = None,
                      length: Optional[int] = None) -> AsyncOpening:
        """As Call.http_in_parts, with `async with` and `async for`."""
        request = request_of(method, path, connection or self.connection, headers, body, json, timeout, parts, length)
        return AsyncOpening(self._streams, request, f"{method} {path}", self._uploads, parts)

    def read_body(self) -> AsyncIterator[bytes]:
        """As Call.read_body, for `async for`."""
        return self._uploads.parts(self.request.body if self.request else b"")


def request_of(method: str, path: str, connection: str, headers: Optional[Headers], body: Union[str, bytes, None],
               json: Any, timeout: Optional[float], parts: Any = None, length: Optional[int] = None) -> Dict[str, Any]:
    """The members of a frame `http_request`. Raises TypeError or ValueError for what cannot be sent."""
    for name, value in (("method", method), ("path", path), ("connection", connection)):
        if not isinstance(value, str):
            raise TypeError(f"http: {name} is {value!r}, which is not a str")
        json_text.check(value, name)
    if not path.startswith("/"):
        raise ValueError(f"http: the path is {path!r}; it begins with '/', as the connection has the rest of the address")
    if json is not None and body is not None:
        raise ValueError("http: give body or json, not both")
    if parts is not None and (json is not None or body is not None):
        raise ValueError("http: give body, json or parts, and one alone")
    if length is not None and (parts is None or not isinstance(length, int) or length < 0):
        raise ValueError(f"http: length is {length!r}; it is the number of bytes of all parts, and given with parts")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TypeError(f"http: the header {pair!r} is not a pair of str")
    if json is not None:
        json_text.check(json, "json")
        body = json_text.write(json)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
    request: Dict[str, Any] = {"method": method, "path": path, "connection": connection, "headers": pairs}
    json_text.check(pairs, "headers")
    if isinstance(body, str):
        body = body.encode()
    if body is not None:
        if not isinstance(body, (bytes, bytearray)):
            raise TypeError(f"http: body is a {type(body).__name__}, which is neither str nor bytes")
        if len(body) > BODY_BYTES_MAX:
            raise ValueError(f"http: the body has {len(body)} bytes; at most {BODY_BYTES_MAX} are sent")
        request["body_base64"] = base64.b64encode(body).decode()
    if length is not None:
        request["body_length"] = length
    if timeout is not None:
        if not 0 < timeout < 10 ** 9:
            raise ValueError(f"http: timeout is {timeout!r}, which is not a number of seconds above 0")
        request["timeout_ms"] = max(int(timeout * 1000), 1)
    return request


def response_of(asked: str, frame: Dict[str, Any]) -> Response:
    body = base64.b64decode(frame["body_base64"]) if "body_base64" in frame else frame.get("body", "").encode()
    return Response(asked, frame["status"], [(name, value) for name, value in frame.get("headers", [])], body)
