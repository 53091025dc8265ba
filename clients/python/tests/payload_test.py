"""Payloads of every event type, made by flatc from JSON, are read as they were; hostile ones raise DamagedLog only."""

import json
import pathlib
import random
import subprocess
import tempfile
import unittest

from travertine_events import DamagedLog, Schemas
from travertine_events import payload as payloads

SCHEMAS = pathlib.Path(__file__).resolve().parents[3] / "events" / "schema"


def sample(schema, described, depth=0):
    """What flatc reads, and what data_of() gives for it."""
    written, expected = {}, {}
    for field in described.fields:
        kind, element = field.kind, field.element
        if kind == payloads._STRING:
            value = '{"a":[1,"x"]}' if "json" in field.attributes else f'{field.name} "é"'
            shown = {"a": [1, "x"]} if "json" in field.attributes else value
        elif kind == payloads._OBJECT:
            if depth > 2:
                continue
            value, shown = sample(schema, schema.objects[field.object], depth + 1)
        elif kind == payloads._VECTOR and element == payloads._UBYTE:
            value, shown = [0, 7, 255], "0007ff"
        elif kind == payloads._VECTOR and element == payloads._STRING:
            value = shown = ["one", ""]
        elif kind == payloads._VECTOR and element == payloads._OBJECT:
            item, item_shown = sample(schema, schema.objects[field.object], depth + 1)
            value, shown = [item, item], [item_shown, item_shown]
        elif kind == payloads._VECTOR:
            value = shown = [1, 2]
        elif kind == payloads._BOOL:
            value = shown = True
        else:
            value = 100 + field.id
            shown = str(value) if kind in (payloads._LONG, payloads._ULONG) else value
        written[field.name] = value
        if "secret" not in field.attributes:
            expected[field.name] = shown
    return written, expected


def table_name(file: str, type: str) -> str:
    text = (SCHEMAS / f"{file}.fbs").read_text()
    line = next(line for line in text.splitlines() if line.startswith("table ") and f'"{type}"' in line)
    return f"trv.schema.{file}.{line.split()[1]}"


class PayloadTest(unittest.TestCase):
    def binary(self, file: str, type: str, value) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "value.json"
            path.write_text(json.dumps(value))
            subprocess.run(["flatc", "--binary", "-o", folder, "-I", str(SCHEMAS), "--root-type", table_name(file, type),
                            str(SCHEMAS / f"{file}.fbs"), str(path)], check=True)
            return (pathlib.Path(folder) / "value.bin").read_bytes()

    def file_of(self, type: str) -> str:
        return next(path.stem for path in SCHEMAS.glob("*.fbs") if f'(record_type: "{type}")' in path.read_text())

    def test_every_type_is_read_with_every_field(self):
        schemas = Schemas()
        self.assertGreater(len(schemas.types), 30)
        for type in schemas.types:
            schema, described = schemas._types[type]
            written, expected = sample(schema, described)
            with self.subTest(type):
                self.assertEqual(schemas.data_of(type, self.binary(self.file_of(type), type, written)), expected)

    def test_what_is_absent_is_left_out_and_numbers_are_not(self):
        type = "trv.tenant.placed"
        self.assertEqual(Schemas().data_of(type, self.binary("tenancy", type, {"tenant": "acme"})),
                         {"tenant": "acme", "shard": 0})
        type = "trv.event.received"
        self.assertEqual(Schemas().data_of(type, self.binary("ingest", type, {"id": "1", "subject": ""})), {"id": "1"})

    def test_a_type_that_is_not_known_is_given_as_it_is(self):
        self.assertEqual(Schemas().data_of("trv.new.thing", b"\1"), {"payload_base64": "AQ=="})

    def test_hostile_payloads_raise_nothing_else(self):
        schemas = Schemas()
        type = "trv.instance.started"
        schema, described = schemas._types[type]
        good = self.binary("workflow", type, sample(schema, described)[0])
        source = random.Random(4)
        for round in range(6_000):
            entry = bytearray(good)
            for _ in range(source.randint(1, 4)):
                entry[source.randrange(len(entry))] = source.randrange(256)
            for stored in (bytes(entry), source.randbytes(source.randint(0, 100))):
                try:
                    schemas.data_of(type, stored)
                except DamagedLog:
                    pass

    def test_few_bytes_that_unfold_to_many_are_refused(self):
        # One text of 900,000 bytes, named 20 times.
        text = b"x" * 900_000
        count = 20
        vector = count.to_bytes(4, "little") + b"".join((4 * (count - i)).to_bytes(4, "little") for i in range(count))
        vtable = (18).to_bytes(2, "little") + (8).to_bytes(2, "little") + bytes(12) + (4).to_bytes(2, "little")
        table = (len(vtable)).to_bytes(4, "little") + (4).to_bytes(4, "little")
        stored = (4 + len(vtable)).to_bytes(4, "little") + vtable + table + vector + len(text).to_bytes(4, "little") + text
        with self.assertRaisesRegex(DamagedLog, "unfold to more than"):
            Schemas().data_of("trv.workflow.applied", stored)

    def test_a_folder_without_schemas_is_named(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(FileNotFoundError, "no event schemas"):
            Schemas(pathlib.Path(folder))

    def test_json_that_is_not_json_is_refused(self):
        for text in ("{", "NaN", "1e999", "[" * 100_000):
            with self.assertRaisesRegex(DamagedLog, "a field that holds JSON does not"):
                payloads._json(text)


if __name__ == "__main__":
    unittest.main()
