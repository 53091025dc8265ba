#!/usr/bin/env python3
"""Makes tests/golden/events, which the packages of every language and the C++ code must read alike:

    payloads.json   for each event type: a payload with every field, one with none, and the `data` of both
    logs.json       logs as writers leave them: which records count, or what stops a reader

    vectors.py            writes them
    vectors.py --check    exits 1 where a file is not what events/schema says

flatc makes the payloads; the entries are the golden records at other places in a log.
"""

import base64
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = REPOSITORY / "events" / "schema"
FOLDER = REPOSITORY / "tests" / "golden" / "events"
sys.path.insert(0, str(REPOSITORY / "clients" / "python"))
sys.path.insert(0, str(REPOSITORY / "clients" / "python" / "tests"))
sys.path.insert(0, str(REPOSITORY / "clients" / "schemas"))
from entries import SHARD, Log, changed, claim, record  # noqa: E402
from generate import settle  # noqa: E402
from travertine_events import Schemas  # noqa: E402
from travertine_events import payload as p  # noqa: E402


def sample(schema, described, depth=0):
    """What flatc reads, and the `data` that it is."""
    written, expected = {}, {}
    for field in described.fields:
        kind, element = field.kind, field.element
        if kind == p._STRING:
            value = '{"a": [1,\n "x  \\" y", 1e-3, null]}' if "json" in field.attributes else f'{field.name} "é"\n'
            shown = json.loads(value) if "json" in field.attributes else value
        elif kind == p._OBJECT:
            if depth > 2:
                continue
            value, shown = sample(schema, schema.objects[field.object], depth + 1)
        elif kind == p._VECTOR and element == p._UBYTE:
            value, shown = [0, 7, 255], "0007ff"
        elif kind == p._VECTOR and element == p._STRING:
            value = shown = ["one", ""]
        elif kind == p._VECTOR and element == p._OBJECT:
            item, item_shown = sample(schema, schema.objects[field.object], depth + 1)
            value, shown = [item, item], [item_shown, item_shown]
        elif kind == p._VECTOR:
            value = shown = [1, 2]
        elif kind == p._BOOL:
            value = shown = True
        elif kind in (p._LONG, p._ULONG):
            value = 2**63 - 1 - field.id
            shown = str(value)
        else:
            value = shown = 100 + field.id
        written[field.name] = value
        if "secret" not in field.attributes:
            expected[field.name] = shown
    return written, expected


def nothing(described):
    """The `data` of a payload without a field: numbers have their defaults."""
    return {field.name: str(field.default) if field.kind in (p._LONG, p._ULONG) else field.default
            for field in described.fields if field.kind in p._NUMBERS and field.kind != p._BOOL
            and not {"secret", "unset_is_absent"} & set(field.attributes)}


def binary(folder, file, table, value):
    source = pathlib.Path(folder) / "value.json"
    source.write_text(json.dumps(value))
    subprocess.run(["flatc", "--binary", "-o", folder, "-I", str(SCHEMAS), "--root-type", table,
                    str(SCHEMAS / f"{file}.fbs"), str(source)], check=True)
    return (pathlib.Path(folder) / "value.bin").read_bytes()


def payloads():
    schemas = Schemas(REPOSITORY / "clients" / "schemas")
    vectors = []
    with tempfile.TemporaryDirectory() as folder:
        for type in schemas.types:
            schema, described = schemas._types[type]
            file = described.name.split(".")[-2]
            for written, data in (sample(schema, described), ({}, nothing(described))):
                payload = binary(folder, file, described.name, written)
                vectors.append({"type": type, "payload": base64.b64encode(payload).decode(), "data": data})
    vectors.append({"type": "trv.new.thing", "payload": "AQ==", "data": {"payload_base64": "AQ=="}})
    return vectors


class Case:
    """A log, from its entry `first` on, and what a reader gives of it: worked out here by the rules, not by a reader."""

    def __init__(self, name, log, counts, damage="", first=0, checkpoint=None, shard=SHARD):
        self.described = {
            "name": name, "shard": shard, "checkpoint": checkpoint, "counts": counts, "damage": damage,
            "entries": [{"offset": at, "value": base64.b64encode(value).decode()} for at, value in log.entries[first:]]}


def added(log, *values):
    for value in values:
        log.add(value)
    return log


def checkpoint_of(log, index, lsn):
    offset, value = log.entries[index]
    return {"shard": SHARD, "offset": offset, "lsn": lsn, "sha256": hashlib.sha256(value).hexdigest()}


def other_byte(log, index, at):
    offset, value = log.entries[index]
    log.entries[index] = (offset, value[:at] + bytes([value[at] ^ 0x40]) + value[at + 1:])
    return log


def moved():
    """Lsn 3 is the first departure, 5 the arrival, 7 the second departure."""
    def event(type, table, value):
        return type, binary(folder, "tenancy", f"trv.schema.tenancy.{table}", value)

    with tempfile.TemporaryDirectory() as folder:
        departed = event("trv.tenant.departed", "TenantDeparted", {"move": 9, "to": 101})
        erased = event("trv.rows.erased", "RowsErased", {"rows": 4})
        arrived = event("trv.tenant.arrived", "TenantArrived", {"move": 12, "shards": [SHARD, 101]})
    return (Log().claim(1).record(1, 1).record(1, 2).record(1, 3, event=departed).record(1, 4, event=erased)
            .record(1, 5, event=arrived).record(1, 6).record(1, 7, event=departed).record(1, 8, event=erased))


def logs():
    zeros = bytes(32)
    example = added(Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3).record(1, 4, end=False).claim(2),
                    record(1, 5, zeros)).record(2, 4).claim(2).record(2, 5)
    long = Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3).claim(2).record(2, 4, end=False).record(2, 5)
    three = Log().claim(1).record(1, 1).record(1, 2).record(1, 3)
    known = checkpoint_of(three, 2, 2)
    yield Case("the example of the format", example, [1, 2, 3, 4, 5])
    yield Case("a torn decision never happened",
               Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3, end=False).claim(2).record(2, 2), [1, 2])
    yield Case("the rest of a torn decision behind the claim is void",
               added(Log().claim(1).record(1, 1).record(1, 2, end=False).claim(2), record(1, 3, zeros)).record(2, 2), [1, 2])
    yield Case("records of an owner that has lost are void",
               added(Log().claim(1).record(1, 1).claim(2), record(1, 2, zeros), record(1, 3, zeros)).record(2, 2), [1, 2])
    yield Case("a claim that loses makes nothing void",
               Log().claim(3).record(3, 1, end=False).claim(3).claim(2).record(3, 2), [1, 2])
    yield Case("a repetition is skipped",
               Log().claim(1).record(1, 1).record(1, 2).copy_of(1).copy_of(2).record(1, 3), [1, 2, 3])
    yield Case("a decision that has not ended is held back", Log().claim(1).record(1, 1).record(1, 2, end=False), [1])
    yield Case("a gap", added(Log().claim(1).record(1, 1), record(1, 3, zeros)), [1],
               "the log of shard 5 is damaged at offset 4: a gap: lsn 3 follows lsn 1")
    yield Case("a record without its claim", Log().claim(1).record(1, 1).record(2, 2), [1],
               "a record of epoch 2 without its claim; the current epoch is 1")
    yield Case("an entry of another shard", Log().claim(1), [], "an entry of shard 5", shard=4)
    yield Case("a broken chain", added(Log().claim(1).record(1, 1), record(1, 2, b"x" * 32)), [1],
               "the log of shard 5 is damaged at offset 4: the chain breaks at lsn 2: its prev_hash is " + (b"x" * 32).hex())
    yield Case("a changed byte of a payload", other_byte(Log().claim(1).record(1, 1).record(1, 2), 1, 460), [1],
               "the chain breaks at lsn 2")
    yield Case("a time that runs backwards",
               Log().claim(1).record(1, 1, time_ns=20).record(1, 2, time_ns=20).record(1, 3, time_ns=19), [1, 2],
               "time runs backwards: lsn 3 has 19 ns, the record before has 20 ns")
    yield Case("an entry without a value", added(Log().claim(1), b""), [], "an entry of 0 bytes")
    yield Case("an entry with more bytes than it says", added(Log().claim(1), record(1, 1, zeros) + b"\0"), [],
               "its size prefix says")
    yield Case("an entry of neither kind", added(Log(), claim(1)[:8] + b"TRVX" + claim(1)[12:]), [],
               "neither record (TRVR) nor claim (TRVC)")
    yield Case("a record without an epoch", added(Log().claim(1), changed(record(1, 1, zeros), [(2, "<Q", 0)])), [],
               "has no epoch or no lsn")
    yield Case("an offset that leads outside", added(Log().claim(1), record(1, 1, zeros)[:4] + b"\xff" * 4 +
                                                     record(1, 1, zeros)[8:]), [], "lies outside of")
    for index, lsn in ((1, 1), (2, 2), (3, 3), (5, 4), (6, 5)):
        yield Case(f"a reader goes on behind lsn {lsn}", long, list(range(lsn + 1, 6)), first=index,
                   checkpoint=checkpoint_of(long, index, lsn))
    for what, other in (("hash", {"sha256": "00" * 32}), ("lsn", {"lsn": 1}), ("offset", {"offset": 5})):
        yield Case(f"another {what} than that of the checkpoint", three, [], "not the record of the checkpoint", first=2,
                   checkpoint={**known, **other})
    yield Case("a claim in the place of the checkpoint", three, [], "the entry of the checkpoint is a claim",
               checkpoint=known)
    yield Case("a trimmed log begins with a record", three, [2, 3], first=2)
    yield Case("a tenant leaves the shard, comes back and leaves again", moved(), list(range(1, 9)))
    yield Case("a log that lost its beginning", Log().claim(1).claim(2), [],
               "the entries before this claim were deleted", first=1)


def lines(vectors):
    return ("[\n" + ",\n".join(json.dumps(vector, ensure_ascii=False, separators=(",", ":")) for vector in vectors) +
            "\n]\n").encode()


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    files = {FOLDER / "payloads.json": lines(payloads()), FOLDER / "logs.json": lines(case.described for case in logs())}
    return settle(files, FOLDER.iterdir(), bool(arguments), "tests/clients/vectors.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
