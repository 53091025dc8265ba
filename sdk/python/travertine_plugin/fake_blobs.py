"""The blobs of a plugin for tests, of each tenant its own."""

import base64
import hashlib
from typing import Any, Dict, Optional, Tuple

Kept = Tuple[bytes, str, str]  # bytes, media type, name


class FakeBlobs:
    def __init__(self) -> None:
        self._kept: Dict[str, Dict[str, Kept]] = {}
        self._written: Dict[Tuple[int, int], bytes] = {}
        self._failure: Optional[Dict[str, str]] = None

    def values(self, tenant: str = "acme") -> Dict[str, bytes]:
        """What is kept, by digest."""
        return {digest: kept[0] for digest, kept in self._kept.get(tenant, {}).items()}

    def put(self, data: bytes, *, media_type: str = "", name: str = "", tenant: str = "acme") -> str:
        """Gives the digest."""
        digest = hashlib.sha256(data).hexdigest()
        self._kept.setdefault(tenant, {})[digest] = (data, media_type, name)
        return digest

    def fail_with(self, code: str, message: str = "the test says so") -> None:
        """From here on every request fails; with "" none does."""
        self._failure = {"code": code, "message": message} if code else None

    def answer(self, tenant: str, body: Dict[str, Any]) -> Tuple[str, Dict[str, Any]]:
        """The frame that answers a `blob_request`."""
        if self._failure:
            return "request_failed", dict(self._failure)
        kept, action = self._kept.setdefault(tenant, {}), body["action"]
        writing = (body["call"], body.get("writing", 0))
        if action == "write":
            part = base64.b64decode(body["part_base64"])
            if len(part) > 262_144:
                return "request_failed", {"code": "too_large", "message": f"a part of a blob has {len(part)} bytes"}
            self._written[writing] = self._written.get(writing, b"") + part
            return answer_of()
        if action == "store":
            digest = self.put(self._written.pop(writing, b""), media_type=body["media_type"], name=body["name"],
                              tenant=tenant)
            return answer_of([entry_of(digest, kept[digest])])
        if action == "drop":
            self._written.pop(writing, None)
            return answer_of()
        digest = body["digest"]
        if action == "erase":
            kept.pop(digest, None)
            return answer_of()
        if action == "list":
            behind = sorted(one for one in kept if one > digest)
            page = behind[:body["count_max"]]
            return answer_of([entry_of(one, kept[one]) for one in page], has_more=len(page) < len(behind))
        if digest not in kept:
            return "request_failed", {"code": "not_found", "message": f"no blob {digest} is kept"}
        end = body["offset"] + body["count_max"]
        return answer_of([entry_of(digest, kept[digest])], kept[digest][0][body["offset"]:end],
                         0 < body["count_max"] and end < len(kept[digest][0]))


def answer_of(entries: Any = (), part: bytes = b"", has_more: bool = False) -> Tuple[str, Dict[str, Any]]:
    return "blob_answer", {"entries": list(entries), "part_base64": base64.b64encode(part).decode(),
                           "has_more": has_more}


def entry_of(digest: str, kept: Kept) -> Dict[str, Any]:
    return {"digest": digest, "bytes": len(kept[0]), "media_type": kept[1], "name": kept[2]}
