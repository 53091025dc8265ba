"""Reads Travertine's events from its Kafka topic: whole decisions, in order, with the hash chain verified.

    from travertine_events import Reader, to_cloud_event

    with Reader("127.0.0.1:19092", "travertine.events", tenant="acme") as reader:
        for event in reader:
            print(to_cloud_event(event.record))
"""

from .cloud_event import parse_position, position_of, to_cloud_event
from .errors import DamagedLog, TenantMoved
from .kafka import Reader, load_checkpoints, save_checkpoints
from .log import Checkpoint, Event, ShardLog, read_log
from .payload import Schemas
from .record import Record, read_head, read_record

__all__ = ["Checkpoint", "DamagedLog", "Event", "Reader", "Record", "Schemas", "ShardLog", "TenantMoved",
           "load_checkpoints", "parse_position", "position_of", "read_head", "read_log", "read_record", "save_checkpoints",
           "to_cloud_event"]
