"""HTTP that a plugin serves to the clients of its tenant (trv.serve/1)."""

import base64
import json as json_module
from typing import Any, AsyncIterable, Dict, Iterable, List, Mapping, Optional, Tuple, Union
from urllib.parse import parse_qsl, unquote

from . import json_text
from .failure import Failure

BODY_BYTES_MAX = 1_000_000
Part = Union[str, bytes]


class WebRequest:
    """A request of a client that the host knows and lets in.

    method                     in capitals; GET and HEAD must change nothing
    path                       below the prefix, decoded; begins with '/'
    raw_path, query            as they came, percent-encoded
    parameters                 of the query, decoded; of a name that comes twice the first
    headers                    those that the host lets through, names in small letters
    body                       bytes
    principal, principal_name  who asks: "token:<id>", and a name for people
    role                       "owner" or "viewer"
    """

    def __init__(self, serve: Dict[str, Any]):
        self.method: str = serve["method"]
        self.raw_path: str = serve["path"]
        self.path = unquote(self.raw_path)
        self.query: str = serve.get("query", "")
        self.parameters: Dict[str, str] = dict(reversed(parse_qsl(self.query, keep_blank_values=True)))
        self.headers: List[Tuple[str, str]] = [(name, value) for name, value in serve.get("headers", [])]
        self.body = base64.b64decode(serve["body_base64"]) if "body_base64" in serve else serve.get("body", "").encode()
        self.principal: str = serve.get("principal", "")
        self.principal_name: str = serve.get("principal_name", "")
        self.role: str = serve.get("role", "")

    def header(self, name: str, missing: Optional[str] = None) -> Optional[str]:
        """The first header of that name, in any case of letters."""
        return next((value for known, value in self.headers if known == name.lower()), missing)

    def json(self) -> Any:
        """The body as a value of JSON. Raises Failure, a 400, where it is not."""
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Failure(f"the body is not JSON: {error}", "invalid") from None


class WebResponse:
    """What is answered. `body` is a str, bytes, or with `json=` any value of JSON.

    With `parts=`, an iterable of str or bytes, such as a generator, or of an `async def` an asynchronous one, the answer
    goes out part by part while it is iterated: a client that reads slowly holds up the iteration, and one that goes ends
    it. What it raises cuts the client's connection, so that the client does not take a part for the whole.
    """

    def __init__(self, status: int = 200, body: Any = b"", headers: Optional[Mapping[str, str]] = None, *,
                 json: Any = None, parts: Union[Iterable[Part], AsyncIterable[Part], None] = None):
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.json = json
        self.parts = parts


def response_members(answer: Any) -> Dict[str, Any]:
    """The members of a frame `respond`: of a WebResponse, of text or bytes, of None (204) or of any value of JSON.
    Raises Failure for what cannot be sent."""
    if answer is None:
        return {"status": 204}
    if not isinstance(answer, WebResponse):
        is_body = isinstance(answer, (str, bytes, bytearray))
        answer = WebResponse(body=answer) if is_body else WebResponse(json=answer)
    body, kind = answer.body, "application/octet-stream"
    if answer.json is not None:
        try:
            json_text.check(answer.json, "the response")
        except json_text.NotJson as error:
            raise Failure(f"the response is not JSON: {error}") from None
        body, kind = json_text.write(answer.json), "application/json"
    elif isinstance(body, str):
        kind = "text/plain; charset=utf-8"
    if isinstance(body, str):
        try:
            body = body.encode()
        except UnicodeEncodeError as error:
            raise Failure(f"the body of the response has half a character at {error.start}") from None
    if not isinstance(body, (bytes, bytearray)):
        raise Failure(f"the body of the response is a {type(body).__name__}, which is neither str nor bytes")
    if len(body) > BODY_BYTES_MAX:
        raise Failure(f"the body of the response has {len(body)} bytes; at most {BODY_BYTES_MAX} are sent; "
                      "answer in parts, with parts=")
    headers = [[str(name), str(value)] for name, value in answer.headers.items()]
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(["content-type", kind])
    return {"status": answer.status, "headers": headers, "body_base64": base64.b64encode(body).decode()}
