"""Entries that the C++ code wrote are opened; everything else is DamagedLog."""

import hashlib
import random
import unittest
import uuid

from entries import CLAIM, FIRST, SECOND, changed
from travertine_events import DamagedLog, position_of, parse_position, read_head, read_log, read_record, to_cloud_event


class GoldenTest(unittest.TestCase):
    def test_every_field_of_the_golden_record_is_read(self):
        record = read_record(SECOND)
        self.assertEqual((record.shard, record.lsn, record.epoch, record.decision_end), (5, 2, 2, True))
        self.assertEqual(record.prev_hash, hashlib.sha256(FIRST).digest())
        self.assertEqual(record.hash, hashlib.sha256(SECOND).digest())
        self.assertEqual(record.time_ns, 1_700_000_000_000_000_007)
        self.assertEqual(record.event_id, uuid.UUID("00000000-0000-0007-0000-000000000000"))
        self.assertEqual((record.tenant, record.stream_kind, record.stream_id), ("acme", "instance", "i7"))
        self.assertEqual((record.type, record.schema_version, record.actor), ("trv.example.happened", 3, "member:ada"))
        self.assertEqual(record.causation_id, uuid.UUID("018f0000-0000-7000-8000-000000000001"))
        self.assertEqual(record.correlation_id, uuid.UUID("018f0000-0000-7000-8000-000000000002"))
        self.assertEqual(record.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        self.assertEqual((record.key_id, record.payload), ("key-1", b"\7" * 100))

    def test_what_a_record_does_not_have_is_empty(self):
        record = read_record(FIRST)
        self.assertEqual((record.causation_id, record.correlation_id, record.traceparent), (None, None, ""))
        self.assertNotIn("causationid", to_cloud_event(record))

    def test_the_golden_log_is_whole(self):
        events = list(read_log(5, enumerate([CLAIM, FIRST, SECOND])))
        self.assertEqual([event.record.lsn for event in events], [1, 2])

    def test_a_claim_is_not_a_record(self):
        self.assertTrue(read_head(CLAIM).is_claim)
        with self.assertRaisesRegex(DamagedLog, "is a claim"):
            read_record(CLAIM)

    def test_a_cloud_event_has_every_attribute(self):
        event = to_cloud_event(read_record(SECOND))
        self.assertEqual(event.pop("data"), {"payload_base64": "BwcH" * 33 + "Bw=="})
        self.assertEqual(event, {
            "specversion": "1.0", "id": "00000000-0000-0007-0000-000000000000", "source": "/tenants/acme/instance",
            "type": "trv.example.happened", "subject": "i7", "time": "2023-11-14T22:13:20.000000Z",
            "position": position_of("acme", 5, 2), "tenant": "acme", "actor": "member:ada",
            "causationid": "018f0000-0000-7000-8000-000000000001",
            "correlationid": "018f0000-0000-7000-8000-000000000002",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "datacontenttype": "application/json"})

    def test_a_position_is_of_one_tenant(self):
        position = position_of("acme", 5, 2)
        self.assertEqual(parse_position(position, "acme"), (5, 2))
        for text, tenant in ((position, "beta"), ("", "acme"), ("x" * 24, "acme"), (position + "0", "acme"),
                             (position.replace("0", "+", 1), "acme")):
            with self.assertRaisesRegex(ValueError, "is not a position"):
                parse_position(text, tenant)


class HostileBytesTest(unittest.TestCase):
    def outcome_of(self, stored: bytes) -> None:
        for read in (read_head, read_record):
            try:
                read(stored)
            except DamagedLog:
                pass

    def test_every_shorter_entry_is_refused(self):
        for size in range(len(SECOND)):
            with self.assertRaises(DamagedLog):
                read_head(SECOND[:size])

    def test_changed_bytes_raise_nothing_else(self):
        source = random.Random(1)
        for _ in range(20_000):
            entry = bytearray(source.choice((CLAIM, FIRST, SECOND)))
            for _ in range(source.randint(1, 4)):
                entry[source.randrange(len(entry))] = source.randrange(256)
            self.outcome_of(bytes(entry))

    def test_random_bytes_raise_nothing_else(self):
        source = random.Random(2)
        for _ in range(20_000):
            body = source.randbytes(source.randint(0, 200))
            self.outcome_of(body)
            # As far as the table, so that more than the prefix is looked at.
            self.outcome_of((len(body) + 8).to_bytes(4, "little") + source.randint(0, 200).to_bytes(4, "little") +
                            source.choice((b"TRVR", b"TRVC")) + body)

    def test_what_the_format_does_not_allow_is_named(self):
        for entry, message in ((b"", "an entry of 0 bytes"), (SECOND + b"\0", "its size prefix says"),
                               (SECOND[:8] + b"TRVX" + SECOND[12:], "neither record"),
                               (changed(SECOND, [(2, "<Q", 0)]), "no epoch"), (bytes(1_000_001), "an entry of 1000001")):
            with self.assertRaisesRegex(DamagedLog, message):
                read_head(entry)


if __name__ == "__main__":
    unittest.main()
