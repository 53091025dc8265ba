"""The stores of a plugin for tests, one for each tenant."""

from typing import Any, Dict, Optional, Tuple


class FakeStore:
    def __init__(self) -> None:
        self._values: Dict[str, Dict[str, Tuple[Any, int]]] = {}
        self._revision = 0
        self._failure: Optional[Dict[str, str]] = None

    def values(self, tenant: str = "acme") -> Dict[str, Any]:
        """What is kept, by key."""
        return {key: value for key, (value, _) in self._values.get(tenant, {}).items()}

    def put(self, key: str, value: Any, *, tenant: str = "acme") -> int:
        self._revision += 1
        self._values.setdefault(tenant, {})[key] = (value, self._revision)
        return self._revision

    def fail_with(self, code: str, message: str = "the test says so") -> None:
        """From here on every request fails; with "" none does."""
        self._failure = {"code": code, "message": message} if code else None

    def answer(self, tenant: str, body: Dict[str, Any]) -> Tuple[str, Dict[str, Any]]:
        """The frame that answers a `store_request`."""
        if self._failure:
            return "request_failed", dict(self._failure)
        values, key, action = self._values.setdefault(tenant, {}), body["key"], body["action"]
        if action == "get":
            return "store_answer", {"entries": [entry_of(key, values[key])] if key in values else [], "has_more": False}
        if action == "list":
            keys = sorted((key for key in values if key.startswith(body["key"]) and key > body["after"]),
                          key=lambda key: key.encode())
            page = keys[:body["count_max"]]
            return "store_answer", {"entries": [entry_of(key, values[key]) for key in page],
                                    "has_more": len(page) < len(keys)}
        revision = values[key][1] if key in values else 0
        if body.get("expected", revision) != revision:
            return "request_failed", {"code": "conflict", "message": f"the store has revision {revision}"}
        if action == "erase":
            values.pop(key, None)
            return "store_answer", {"entries": [], "has_more": False}
        return "store_answer", {"entries": [{"key": key, "revision": self.put(key, body["value"], tenant=tenant)}],
                                "has_more": False}


def entry_of(key: str, kept: Tuple[Any, int]) -> Dict[str, Any]:
    return {"key": key, "value": kept[0], "revision": kept[1]}
