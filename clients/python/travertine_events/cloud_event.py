"""Records as CloudEvents 1.0 in structured form, the same as those of the API's `GET /v1/tenants/<tenant>/events`."""

import datetime
import hashlib
from typing import Any, Dict, Optional, Tuple

from .payload import Schemas, installed_schemas
from .record import Record

_EPOCH = datetime.datetime(1970, 1, 1)
_VERSION = "01"


def position_of(tenant: str, shard: int, lsn: int) -> str:
    """A place in a tenant's events as the API writes it: 24 hexadecimal digits."""
    place = f"{_VERSION}{shard:04x}{lsn:012x}"
    return place + hashlib.sha256(f"{tenant}\0{place}".encode()).hexdigest()[:6]


def parse_position(text: str, tenant: str) -> Tuple[int, int]:
    """Shard and lsn of a position. Raises ValueError for a text that is not a position of this tenant."""
    try:
        shard, lsn = int(text[2:6], 16), int(text[6:18], 16)
    except ValueError:
        shard = lsn = 0
    if position_of(tenant, shard, lsn) != text:
        raise ValueError(f"'{text[:40]}' is not a position in the events of tenant '{tenant}'; "
                         "use the `position` of one of its events")
    return shard, lsn


def to_cloud_event(record: Record, schemas: Optional[Schemas] = None) -> Dict[str, Any]:
    """Every value but `data` is a text. Raises DamagedLog where the payload does not fit its schema."""
    event = {
        "specversion": "1.0",
        "id": str(record.event_id),
        "source": f"/tenants/{record.tenant}/{record.stream_kind}",
        "type": record.type,
        "subject": record.stream_id,
        "time": (_EPOCH + datetime.timedelta(microseconds=record.time_ns // 1000)).isoformat(
            timespec="microseconds") + "Z",
        "position": position_of(record.tenant, record.shard, record.lsn),
        "tenant": record.tenant,
        "actor": record.actor,
    }
    if record.causation_id is not None:
        event["causationid"] = str(record.causation_id)
    if record.correlation_id is not None:
        event["correlationid"] = str(record.correlation_id)
    if record.traceparent:
        event["traceparent"] = record.traceparent
    event["datacontenttype"] = "application/json"
    event["data"] = (schemas or installed_schemas()).data_of(record.type, record.payload)
    return event
