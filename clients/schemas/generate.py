#!/usr/bin/env python3
"""Makes what describes the events to programs in any language, from events/schema/*.fbs:

    <name>.bfbs       binary schemas, by which the packages read payloads; a copy is in the Go module
    json/<type>.json  JSON Schema of each event type: what its `data` is in JSON
    asyncapi.json     AsyncAPI 3.0 document of the topic on Kafka

    generate.py           writes them
    generate.py --check   exits 1 where a file is not what the .fbs files say
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterable, List, Tuple

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SOURCES = REPOSITORY / "events" / "schema"
GO = HERE.parent / "go" / "schemas"
sys.path.insert(0, str(HERE.parent / "python"))
from travertine_events import payload as p  # noqa: E402

HEXADECIMAL = "^([0-9a-f]{2})*$"


class Comments:
    """What the .fbs files say in comments: above a table, and behind a field or in the lines above it."""

    def __init__(self, text: str):
        self.tables: Dict[str, str] = {}
        self.fields: Dict[Tuple[str, str], str] = {}
        above: List[str] = []
        table = ""
        for line in text.splitlines():
            comment = re.search(r"//\s*(.*)$", line)
            if opened := re.match(r"(?:table|struct)\s+(\w+)", line):
                table = opened.group(1)
                if table in self.tables:
                    raise SystemExit(f"generate.py: two tables are named {table}; the schemas name tables without namespace")
                self.tables[table] = " ".join(above)
            elif field := re.match(r"\s+(\w+):", line):
                self.fields[table, field.group(1)] = " ".join(above + ([comment.group(1)] if comment else []))
            elif comment:
                above.append(comment.group(1))
                continue
            above = []


def described(text: str, schema: Dict[str, Any]) -> Dict[str, Any]:
    return {**({"description": text} if text else {}), **schema}


def number(kind: int) -> Dict[str, Any]:
    if kind == p._BOOL:
        return {"type": "boolean"}
    if kind in (p._FLOAT, p._DOUBLE):
        return {"type": "number"}
    bits = 8 * p._NUMBERS[kind].size
    is_signed = p._NUMBERS[kind].format[-1:].islower()
    return {"type": "integer", "minimum": -2 ** (bits - 1) if is_signed else 0,
            "maximum": 2 ** (bits - is_signed) - 1}


class EventSchema:
    """The JSON Schema of one event type, with what its tables refer to."""

    def __init__(self, schema: p._Schema, comments: Comments):
        self.schema = schema
        self.comments = comments
        self.inner: Dict[str, Any] = {}

    def of(self, type: str, table: p._Object) -> Dict[str, Any]:
        root = self.table(table)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": type, **root,
                **({"$defs": dict(sorted(self.inner.items()))} if self.inner else {})}

    def table(self, table: p._Object) -> Dict[str, Any]:
        name = table.name.rsplit(".", 1)[1]
        shown = [field for field in table.fields if "secret" not in field.attributes]
        # A number has a value even where the bytes have none.
        required = [field.name for field in shown
                    if field.kind in p._NUMBERS and field.kind != p._BOOL and "unset_is_absent" not in field.attributes]
        return described(self.comments.tables[name], {
            "type": "object",
            "properties": {field.name: described(self.comments.fields[name, field.name], self.field(field))
                           for field in shown},
            **({"required": required} if required else {})})

    def reference(self, index: int) -> Dict[str, Any]:
        table = self.schema.objects[index]
        if table.struct_bytes:
            return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * table.struct_bytes}}}$"}
        name = table.name.rsplit(".", 1)[1]
        if name not in self.inner:
            self.inner[name] = {}
            self.inner[name] = self.table(table)
        return {"$ref": f"#/$defs/{name}"}

    def field(self, field: p._Field) -> Dict[str, Any]:
        if field.kind == p._STRING:
            return {} if "json" in field.attributes else {"type": "string"}
        if field.kind == p._OBJECT:
            return self.reference(field.object)
        if field.kind == p._VECTOR:
            if field.element == p._UBYTE:
                return {"type": "string", "pattern": HEXADECIMAL}
            if field.element == p._STRING:
                return {"type": "array", "items": {"type": "string"}}
            items = self.reference(field.object) if field.element == p._OBJECT else number(field.element)
            return {"type": "array", "items": items}
        if field.kind in (p._LONG, p._ULONG):
            return {"type": "string", "pattern": "^-?[0-9]+$" if field.kind == p._LONG else "^[0-9]+$"}
        if field.kind not in p._NUMBERS:
            raise SystemExit(f"generate.py: the field {field.name} has base type {field.kind} of FlatBuffers, which no "
                             "reader knows; use a table with optional fields")
        return number(field.kind)


def text_header(description: str, **more: Any) -> Dict[str, Any]:
    return {"type": "string", "description": description, **more}


def trait(key: str, headers: Dict[str, Any], content: str) -> Dict[str, Any]:
    """What messages have in common. All these headers are always there; `trv_counted` is not one for readers."""
    return {"contentType": content,
            "headers": {"type": "object", "properties": {**headers, "content-type": {"type": "string", "const": content}},
                        "required": sorted([*headers, "ce_type", "content-type"])},
            "bindings": {"kafka": {"key": text_header(key), "bindingVersion": "0.5.0"}}}


def message(kind: str, type: str, **more: Any) -> Dict[str, Any]:
    return {"name": type, "title": type, **more, "traits": [{"$ref": f"#/components/messageTraits/{kind}"}],
            "headers": {"type": "object", "properties": {"ce_type": {"type": "string", "const": type}}},
            "payload": {"$ref": f"#/components/schemas/{kind}"}}


def asyncapi(events: Dict[str, Dict[str, Any]], version: str) -> Dict[str, Any]:
    """docs/formats/kafka-log.md as a document for programs."""
    common = {"ce_specversion": {"type": "string", "const": "1.0"},
              "ce_epoch": text_header("Epoch under which the entry was written.", pattern="^[0-9]+$")}
    claim = {**common, "ce_id": text_header("The claim's nonce.", format="uuid"),
             "ce_source": text_header("The node.", pattern="^/nodes/.+$")}
    record = {**common, "ce_id": text_header("Event id.", format="uuid"),
              "ce_source": text_header("Tenant and kind of stream.", pattern="^/tenants/.+/.+$"),
              "ce_subject": text_header("Stream id."),
              "ce_time": text_header("Time of the decision.", format="date-time"),
              "ce_sequence": text_header("lsn: the position in the shard.", pattern="^[0-9]+$")}
    messages = {"trv.log.claimed": message("claim", "trv.log.claimed", description="A node became owner of a shard.")}
    for type, schema in sorted(events.items()):
        messages[type] = message("record", type, description=schema.get("description", type),
                                 **{"x-travertine-data": {"$ref": f"json/{type}.json"}})
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Events of Travertine on Apache Kafka", "version": version,
                 "description": "Each message is an entry of a shard's log, a FlatBuffer: a record or a claim. The payload of a "
                                "record is the FlatBuffer of its event type; `x-travertine-data` is its JSON form. Not every "
                                "message counts: apply the void rule of docs/formats/record.md, or use a package of clients/.",
                 "license": {"name": "Apache-2.0"}},
        "channels": {"events": {
            "address": "travertine.events",
            "description": "The name is the configuration key kafka.topic. Partition n is the log of shard n.",
            "messages": {type: {"$ref": f"#/components/messages/{type}"} for type in messages},
            "bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1,
                                                          "retention.bytes": -1, "max.message.bytes": 1048588},
                                   "bindingVersion": "0.5.0"}}}},
        "operations": {"append": {"action": "send", "channel": {"$ref": "#/channels/events"},
                                  "summary": "travd appends what happened."}},
        "components": {
            "schemas": {kind: {"schemaFormat": "application/vnd.google.flatbuffers;version=2.0.8",
                               "schema": {"$ref": f"{kind}.bfbs"}} for kind in ("claim", "record")},
            "messageTraits": {"claim": trait("Empty.", claim, "application/vnd.travertine.claim"),
                              "record": trait("The tenant.", record, "application/vnd.travertine.record")},
            "messages": messages}}


def made() -> Dict[pathlib.Path, bytes]:
    """Every file and what it must be."""
    files: Dict[pathlib.Path, bytes] = {}
    sources = sorted(SOURCES.glob("*.fbs"))
    comments = Comments("\n".join(source.read_text() for source in sources))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["flatc", "--binary", "--schema", "--bfbs-builtins", "-o", folder, *map(str, sources)], check=True)
        binaries = {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).glob("*.bfbs"))}
        for name, binary in binaries.items():
            files[HERE / name] = files[GO / name] = binary
        known = p.Schemas(pathlib.Path(folder))
    events = {type: EventSchema(known._types[type][0], comments).of(type, known._types[type][1]) for type in known.types}
    version = re.search(r"project\(travertine VERSION ([\d.]+)", (REPOSITORY / "CMakeLists.txt").read_text())
    documents = {HERE / "json" / f"{type}.json": schema for type, schema in events.items()}
    documents[HERE / "asyncapi.json"] = asyncapi(events, version.group(1))
    for path, document in documents.items():
        files[path] = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    return files


def settle(files: Dict[pathlib.Path, bytes], present: Iterable[pathlib.Path], is_check: bool, command: str) -> int:
    """Writes what differs and removes what is too much, or names it: 1 where there is any."""
    stale = sorted([path for path, content in files.items() if not path.exists() or path.read_bytes() != content] +
                   list(set(present) - set(files)))
    for path in stale:
        name = path.relative_to(REPOSITORY)
        if is_check:
            print(f"{name} is not what events/schema says: run {command}")
        elif path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[path])
            print(f"{name} is written anew")
        else:
            path.unlink()
            print(f"{name} is removed")
    return 1 if stale and is_check else 0


def main(arguments: List[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    present = [path for folder in (HERE, GO) for suffix in ("bfbs", "json") for path in folder.rglob(f"*.{suffix}")]
    return settle(made(), present, bool(arguments), "clients/schemas/generate.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
