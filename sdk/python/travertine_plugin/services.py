"""What a call asks of the host beside HTTP and its store: signatures and events."""

import base64
from typing import Any, Callable, Dict, Union

from . import json_text

SIGNED_BYTES_MAX = 65_536
EVENT_BYTES_MAX = 262_144
SIGNATURES = ("hmac-sha256", "ed25519", "rsa-sha256")


def sign(ask: Callable[..., Any], secret: str, data: Union[str, bytes], signature: str) -> Any:
    if not isinstance(secret, str) or not secret:
        raise TypeError(f"sign: secret is {secret!r}, which is not the name of one")
    json_text.check(secret, "secret")
    if signature not in SIGNATURES:
        raise ValueError(f"sign: signature is {signature!r}, which is not one of {', '.join(SIGNATURES)}")
    given = data.encode() if isinstance(data, str) else bytes(data)
    if len(given) > SIGNED_BYTES_MAX:
        raise ValueError(f"sign: {len(given)} bytes are given; at most {SIGNED_BYTES_MAX} are signed")
    request = {"secret": secret, "signature": signature, "data_base64": base64.b64encode(given).decode()}
    return ask("sign_request", request, f"a signature by the secret {secret!r}",
               lambda _, frame: base64.b64decode(frame["signature_base64"]))


def emit(ask: Callable[..., Any], type: str, data: Any, subject: str) -> Any:
    request: Dict[str, Any] = {"type": type, "subject": subject}
    for name, value in request.items():
        if not isinstance(value, str):
            raise TypeError(f"emit: {name} is {value!r}, which is not a str")
        json_text.check(value, name)
    if data is not None:
        json_text.check(data, "data")
        size = len(json_text.write(data).encode())
        if size > EVENT_BYTES_MAX:
            raise ValueError(f"emit: the data has {size} bytes of JSON; at most {EVENT_BYTES_MAX} are taken")
        request["data"] = data
    return ask("emit_request", request, f"the event {type!r}", lambda _, frame: frame["id"])
