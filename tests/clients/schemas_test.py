"""The published schemas and the vectors are those of events/schema, and real events fit them.

Needs python3-jsonschema, a validator of JSON Schema 2020-12.
"""

import contextlib
import copy
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import jsonschema

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PUBLISHED = REPOSITORY / "clients" / "schemas"
GOLDEN = REPOSITORY / "tests" / "golden"

sys.path.insert(0, str(PUBLISHED))
import generate  # noqa: E402


def strict(schema):
    """The schema, with properties that it does not name refused: published ones allow those of later versions."""
    if isinstance(schema, list):
        return [strict(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    return {**closed, "additionalProperties": False} if "properties" in schema and schema.get("type") == "object" else closed


def validator(type):
    schema = json.loads((PUBLISHED / "json" / f"{type}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(strict(schema))


class PublishedTest(unittest.TestCase):
    def test_nothing_is_stale(self):
        for script in ("clients/schemas/generate.py", "tests/clients/vectors.py"):
            done = subprocess.run([sys.executable, "-B", REPOSITORY / script, "--check"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_file_that_differs_is_missing_or_is_too_much_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.enterContext(mock.patch.object(generate, "REPOSITORY", folder))
            files = {folder / "same": b"1", folder / "differs": b"2", folder / "missing": b"3"}
            for path, content in (("same", b"1"), ("differs", b"1"), ("old", b"")):
                (folder / path).write_bytes(content)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                self.assertEqual(generate.settle(files, folder.iterdir(), True, "generate.py"), 1)
            self.assertEqual([line.split()[0] for line in said.getvalue().splitlines()], ["differs", "missing", "old"])
            with contextlib.redirect_stdout(said):
                self.assertEqual(generate.settle(files, folder.iterdir(), False, "generate.py"), 0)
                self.assertEqual(generate.settle(files, folder.iterdir(), True, "generate.py"), 0)

    def test_every_payload_fits_the_schema_of_its_type(self):
        vectors = json.loads((GOLDEN / "events" / "payloads.json").read_text())
        types = {path.stem for path in (PUBLISHED / "json").glob("*.json")}
        self.assertEqual(types, {vector["type"] for vector in vectors} - {"trv.new.thing"})
        for vector in vectors:
            if vector["type"] in types:
                with self.subTest(vector["type"]):
                    validator(vector["type"]).validate(vector["data"])

    def test_every_event_of_a_recorded_log_fits_the_schema_of_its_type(self):
        releases = sorted((GOLDEN / "releases").glob("*/records.json"))
        self.assertTrue(releases)
        for release in releases:
            for line in json.loads(release.read_text()):
                event = line["event"]
                with self.subTest(event["id"]):
                    validator(event["type"]).validate(event["data"])

    def test_other_data_does_not_fit(self):
        good = next(vector["data"] for vector in json.loads((GOLDEN / "events" / "payloads.json").read_text())
                    if vector["type"] == "trv.effect.succeeded" and "key" in vector["data"])
        check = validator("trv.effect.succeeded")
        check.validate(good)
        for change in ({"tries": "1"}, {"tries": -1}, {"duration_ns": 1}, {"duration_ns": "x"}, {"key": 1}, {"other": 1},
                       {"completed": []}, {"completed": {"continuation": {"frames": [{"task": "0"}]}}}):
            with self.subTest(change), self.assertRaises(jsonschema.ValidationError):
                check.validate({**copy.deepcopy(good), **change})
        with self.assertRaises(jsonschema.ValidationError):
            check.validate({name: value for name, value in good.items() if name != "tries"})
        with self.assertRaises(jsonschema.ValidationError):
            validator("trv.plugin.loaded").validate({"package_sha256": "0g"})

    def test_the_topics_document_has_every_type_and_leads_somewhere(self):
        document = json.loads((PUBLISHED / "asyncapi.json").read_text())
        types = {path.stem for path in (PUBLISHED / "json").glob("*.json")} | {"trv.log.claimed"}
        self.assertEqual(set(document["channels"]["events"]["messages"]), types)

        def references(value):
            for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                yield from references(inner)
            if isinstance(value, dict) and "$ref" in value:
                yield value["$ref"]

        for reference in references(document):
            if not reference.startswith("#/"):
                self.assertTrue((PUBLISHED / reference).is_file(), reference)
                continue
            at = document
            for part in reference[2:].split("/"):
                self.assertIn(part, at, reference)
                at = at[part]


if __name__ == "__main__":
    unittest.main()
