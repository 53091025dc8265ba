"""What an operation raises so that its call fails with more than a message."""

from email.utils import parsedate_to_datetime
from typing import Any, Dict, Optional

CODES = ("invalid", "unauthenticated", "denied", "not_found", "conflict", "too_large", "exhausted", "unavailable",
         "timeout", "cancelled", "internal")
RETRY_AFTER_MAX = 24 * 60 * 60.0  # seconds


class Failure(Exception):
    """A call fails with this.

    code         one of CODES
    may_retry    the call may be made again with the same idempotency key, without a second effect
    retry_after  seconds that the service asks to wait before that; 0: it does not say
    status       of the service's HTTP answer; 0: there was none
    detail       an object for the workflow that reads the failure
    """

    def __init__(self, message: str, code: str = "internal", *, may_retry: bool = False, retry_after: float = 0,
                 status: int = 0, detail: Optional[Dict[str, Any]] = None):
        super().__init__(message)
        if code not in CODES:
            raise ValueError(f"code {code!r} is not one of {', '.join(CODES)}")
        if not 0 <= retry_after < float("inf"):
            raise ValueError(f"retry_after is {retry_after!r}, which is not a number of seconds from 0")
        if not isinstance(status, int) or not 0 <= status <= 999:
            raise ValueError(f"status is {status!r}, which is not a status of HTTP")
        if detail is not None and not isinstance(detail, dict):
            raise TypeError(f"detail is {detail!r}, which is not a dict")
        self.message = str(message)
        self.code = code
        self.may_retry = may_retry
        self.retry_after = min(retry_after, RETRY_AFTER_MAX)
        self.status = status
        self.detail = detail


class Cancelled(Failure):
    """The call was cancelled, or its time is up: what it still asks of the host raises this."""

    def __init__(self) -> None:
        super().__init__("the call was cancelled", "cancelled")


class Refused(Exception):
    """Raised by what runs at the begin: the plugin takes no calls with this configuration, and why."""


def code_of_status(status: int) -> str:
    """The code of a failure for an HTTP status outside 2xx."""
    known = {401: "unauthenticated", 402: "denied", 403: "denied", 404: "not_found", 408: "timeout", 409: "conflict",
             410: "not_found", 412: "conflict", 413: "too_large", 429: "exhausted"}
    return known.get(status, "unavailable" if status >= 500 else "invalid")


def retry_after_of(retry_after: Optional[str], date: Optional[str]) -> float:
    """Seconds that Retry-After names: a number, or a date that is held against the answer's own Date."""
    if not retry_after:
        return 0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:12])
    try:
        waits = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date or "")
        return max(waits.total_seconds(), 0)
    except (TypeError, ValueError, IndexError):
        return 0
