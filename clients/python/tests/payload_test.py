"""Payloads of every event type are read as tests/golden/events says; hostile ones raise DamagedLog only."""

import base64
import json
import pathlib
import random
import tempfile
import unittest

from travertine_events import DamagedLog, Schemas
from travertine_events import payload as payloads

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden" / "events"


class PayloadTest(unittest.TestCase):
    def vectors(self):
        return [(vector["type"], base64.b64decode(vector["payload"]), vector["data"])
                for vector in json.loads((GOLDEN / "payloads.json").read_text())]

    def test_every_type_is_read_with_every_field_and_with_none(self):
        schemas = Schemas()
        self.assertGreater(len(schemas.types), 30)
        self.assertLessEqual(set(schemas.types), {type for type, _, _ in self.vectors()})
        for type, payload, data in self.vectors():
            with self.subTest(type):
                self.assertEqual(schemas.data_of(type, payload), data)

    def test_a_type_that_is_not_known_is_given_as_it_is(self):
        self.assertEqual(Schemas().data_of("trv.new.thing", b"\1"), {"payload_base64": "AQ=="})

    def test_hostile_payloads_raise_nothing_else(self):
        schemas = Schemas()
        type = "trv.instance.started"
        good = next(payload for of, payload, _ in self.vectors() if of == type)
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
