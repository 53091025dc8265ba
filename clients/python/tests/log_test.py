"""Which records count, and what stops a reader. The cases are those of docs/formats/record.md."""

import base64
import json
import pathlib
import random
import unittest

from entries import SHARD, Log, claim, record
from travertine_events import Checkpoint, DamagedLog, ShardLog, read_log, to_cloud_event


GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden" / "events"


class VectorsTest(unittest.TestCase):
    """The logs that the packages of every language read alike."""

    def test_what_counts_is_given_and_damage_stops_the_reader(self):
        cases = json.loads((GOLDEN / "logs.json").read_text())
        self.assertGreater(len(cases), 25)
        for case in cases:
            with self.subTest(case["name"]):
                known = case["checkpoint"]
                log = ShardLog(case["shard"], known and Checkpoint(known["shard"], known["offset"], known["lsn"],
                                                                   bytes.fromhex(known["sha256"])))
                given, damage = [], ""
                try:
                    for entry in case["entries"]:
                        given += log.take(entry["offset"], base64.b64decode(entry["value"]))
                except DamagedLog as error:
                    damage = str(error)
                self.assertEqual([event.record.lsn for event in given], case["counts"])
                self.assertEqual(bool(damage), bool(case["damage"]), damage)
                self.assertIn(case["damage"], damage)

    def test_a_recorded_log_gives_the_events_that_the_api_showed(self):
        releases = sorted(GOLDEN.parent.glob("releases/*/records.json"))
        self.assertTrue(releases)
        for release in releases:
            lines = json.loads(release.read_text())
            # Without the claims, as a log that was trimmed behind the first one.
            entries = [(1 + at, base64.b64decode(line["value"])) for at, line in enumerate(lines)]
            self.assertEqual([to_cloud_event(event.record) for event in read_log(0, entries)],
                             [line["event"] for line in lines])

    def test_a_decision_is_given_whole_or_not_at_all(self):
        log = ShardLog(SHARD)
        written = Log().claim(1).record(1, 1, end=False).record(1, 2, end=False).record(1, 3)
        given = [len(log.take(offset, value)) for offset, value in written.entries]
        self.assertEqual(given, [0, 0, 0, 3])


class DamageTest(unittest.TestCase):
    def test_nothing_more_is_given(self):
        reader = ShardLog(SHARD)
        reader.take(0, claim(1))
        with self.assertRaisesRegex(DamagedLog, "a gap") as first:
            reader.take(2, record(1, 3, bytes(32)))
        with self.assertRaises(DamagedLog) as again:
            reader.take(4, claim(2))
        self.assertIs(again.exception, first.exception)

    def test_a_changed_byte_is_found_wherever_it_is(self):
        written = Log().claim(1).record(1, 1).record(1, 2).record(1, 3)
        self.assertEqual(len(list(read_log(SHARD, written.entries))), 3)
        for at in range(len(written.entries[1][1])):
            entries = list(written.entries)
            entry = bytearray(entries[1][1])
            entry[at] ^= 0x40
            entries[1] = (entries[1][0], bytes(entry))
            with self.assertRaises(DamagedLog, msg=f"byte {at}"):
                list(read_log(SHARD, entries))

    def test_an_entry_without_a_value(self):
        with self.assertRaisesRegex(DamagedLog, "an entry of 0 bytes"):
            ShardLog(SHARD).take(0, None)

    def test_a_decision_beyond_the_limit(self):
        log = ShardLog(SHARD)
        log.take(0, claim(1))
        log._held_bytes = 67_108_864
        with self.assertRaisesRegex(DamagedLog, "has more than 67108864 bytes"):
            log.take(1, record(1, 1, bytes(32), end=False))

    def test_garbage_between_good_entries_raises_nothing_else(self):
        source = random.Random(3)
        for _ in range(2_000):
            log = ShardLog(SHARD)
            try:
                for offset in range(8):
                    entry = bytearray(record(1, source.randint(1, 3), bytes(32)) if offset else claim(1))
                    for _ in range(source.randint(0, 2)):
                        entry[source.randrange(len(entry))] = source.randrange(256)
                    log.take(offset, bytes(entry))
            except DamagedLog:
                pass


class BeginningTest(unittest.TestCase):
    def test_a_checkpoint_of_another_shard_is_refused(self):
        with self.assertRaisesRegex(ValueError, "shard 1, not of shard 5"):
            ShardLog(SHARD, Checkpoint(1, 0, 1, bytes(32)))


if __name__ == "__main__":
    unittest.main()
