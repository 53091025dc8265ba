"""The reader of a topic, over a consumer that gives what the test says. The real one is used in tests/kafka."""

import base64
import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from unittest import mock

from confluent_kafka import KafkaError, KafkaException

from entries import SHARD, Log, record
from travertine_events import Checkpoint, DamagedLog, Reader, TenantMoved, position_of
from travertine_events import __main__ as command
from travertine_events import kafka

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden" / "events"


class Message:
    def __init__(self, partition, offset, value=None, error=None):
        self._error = error
        self._place = (partition, offset, value)

    def error(self):
        return self._error

    def partition(self):
        return self._place[0]

    def offset(self):
        return self._place[1]

    def value(self):
        return self._place[2]


class FakeConsumer:
    """Gives the messages from the assigned offset on, at most three at once. It has one partition."""

    def __init__(self, messages):
        self.messages = messages
        self.closed = False

    def __call__(self, settings):
        self.settings = settings
        return self

    def list_topics(self, topic, timeout):
        return mock.Mock(topics={topic: mock.Mock(error=None, partitions={SHARD: None})})

    def get_watermark_offsets(self, partition, timeout):
        stored = [message.offset() for message in self.messages if message.error() is None]
        return (stored[0], stored[-1] + 1) if stored else (0, 0)

    def assign(self, places):
        self.left = [message for message in self.messages if message.offset() >= places[0].offset]

    def poll(self, timeout):
        return self.left.pop(0) if self.left else None

    def consume(self, count, timeout):
        taken, self.left = self.left[:2], self.left[2:]
        return taken

    def close(self):
        self.closed = True


def messages_of(log: Log):
    return [Message(SHARD, offset, value) for offset, value in log.entries]


def messages_of_moved():
    """Lsn 3 is the first departure, 5 the arrival, 7 the second departure."""
    found = [case for case in json.loads((GOLDEN / "logs.json").read_text())
             if case["name"] == "a tenant leaves the shard, comes back and leaves again"]
    return [Message(SHARD, entry["offset"], base64.b64decode(entry["value"])) for entry in found[0]["entries"]]


class ReaderTest(unittest.TestCase):
    def reader(self, messages, **options) -> Reader:
        self.consumer = FakeConsumer(messages)
        patch = mock.patch.object(kafka, "Consumer", self.consumer)
        with patch:
            return Reader("127.0.0.1:1", "t", **options)

    def lsns_to_end(self, reader: Reader):
        lsns = []
        for _ in range(100):
            if not reader.is_behind:
                return lsns
            lsns += [event.record.lsn for event in reader.poll(0)]
        self.fail("the end was not reached")

    def test_everything_is_given_and_then_nothing_is_behind(self):
        log = Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3).record(1, 4, end=False)
        self.assertEqual(self.lsns_to_end(self.reader(messages_of(log))), [1, 2, 3])
        self.assertFalse(self.consumer.settings["enable.auto.commit"])

    def test_an_empty_topic_is_not_behind(self):
        self.assertFalse(self.reader([]).is_behind)

    def test_a_reader_goes_on_behind_its_checkpoint(self):
        log = Log().claim(1).record(1, 1).record(1, 2).record(1, 3, end=False).record(1, 4)
        first = self.reader(messages_of(log))
        for event in first:
            if event.record.lsn == 3:
                break
        self.assertEqual(first.checkpoints, {SHARD: event.checkpoint})
        self.assertEqual(self.lsns_to_end(self.reader(messages_of(log), checkpoints=first.checkpoints)), [4])

    def test_an_iteration_that_was_left_goes_on(self):
        log = Log().claim(1).record(1, 1).record(1, 2).record(1, 3).record(1, 4)
        reader = self.reader(messages_of(log))
        given = []
        for event in reader:
            given.append(event.record.lsn)
            break
        self.assertEqual(given + self.lsns_to_end(reader), [1, 2, 3, 4])

    def test_events_before_damage_are_given_first(self):
        log = Log().claim(1).record(1, 1)
        log.add(record(1, 3, bytes(32)))
        reader = self.reader(messages_of(log))
        self.assertEqual([event.record.lsn for event in reader.poll(0)], [1])
        for _ in range(2):
            with self.assertRaisesRegex(DamagedLog, "a gap"):
                reader.poll(0)
        self.assertEqual(reader.checkpoints[SHARD].lsn, 1)
        self.assertTrue(reader.is_behind)

    def test_filters_leave_events_out_and_the_checkpoint_goes_on(self):
        log = Log().claim(1).record(1, 1).record(1, 2)
        for options, given in (({"tenant": "acme"}, [1, 2]), ({"tenant": "beta"}, []), ({"types": ["trv.ex"]}, [1, 2]),
                               ({"types": ["x", "trv.token."]}, [])):
            reader = self.reader(messages_of(log), **options)
            self.assertEqual(self.lsns_to_end(reader), given)
            self.assertEqual(reader.checkpoints[SHARD].lsn, 2)

    def test_whether_the_tenant_has_an_event_is_known_also_where_its_types_are_left_out(self):
        log = Log().claim(1).record(1, 1).record(1, 2)
        for tenant, known in (("", True), ("acme", True), ("beta", False)):
            reader = self.reader(messages_of(log), tenant=tenant, types=["x"])
            self.assertEqual(reader.has_tenant, tenant == "")
            self.assertEqual(self.lsns_to_end(reader), [])
            self.assertEqual(reader.has_tenant, known)

    def test_brokers_that_cannot_be_reached_are_one_error_with_the_reason(self):
        refused = KafkaError(KafkaError._TRANSPORT, "127.0.0.1:1: Connection refused (after 0ms in state CONNECT)")

        class Unreached(FakeConsumer):
            def list_topics(self, topic, timeout):
                raise KafkaException(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata"))

            def poll(self, timeout):
                for problem in (refused, KafkaError(KafkaError._ALL_BROKERS_DOWN)):
                    self.settings["error_cb"](problem)

        self.consumer = Unreached([])
        with mock.patch.object(kafka, "Consumer", self.consumer), self.assertNoLogs("travertine_events"):
            with self.assertRaises(KafkaException) as raised:
                Reader("127.0.0.1:1", "t")
        self.assertEqual(raised.exception.args[0].str(), "127.0.0.1:1: Connection refused")
        self.assertTrue(self.consumer.closed)
        self.assertEqual(self.consumer.settings["log_level"], 0)

    def test_brokers_that_go_away_are_logged_once_until_a_message_comes(self):
        log = Log().claim(1).record(1, 1)
        reader = self.reader(messages_of(log))
        gone = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
        for _ in range(2):
            with self.assertLogs("travertine_events", "WARNING") as logged:
                for _ in range(3):
                    self.consumer.settings["error_cb"](gone)
            self.assertEqual(len(logged.records), 1)
            self.assertIn("1/1 brokers are down", logged.output[0])
            reader.poll(0)

    def test_deleted_entries_are_damage_and_a_lost_connection_is_not(self):
        log = Log().claim(1).record(1, 1)
        passing = Message(SHARD, 1, error=KafkaError(KafkaError._ALL_BROKERS_DOWN))
        deleted = Message(SHARD, 9, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))
        messages = messages_of(log)
        reader = self.reader([messages[0], passing, messages[1], deleted])
        self.assertEqual(self.lsns_to_end(reader), [1])
        reader.poll(0)
        with self.assertRaisesRegex(DamagedLog, "entries were deleted"):
            reader.poll(0)

    def test_a_checkpoint_outside_of_the_partition_is_damage(self):
        log = Log().claim(1).record(1, 1)
        for offset in (3, 1000):
            with self.assertRaisesRegex(DamagedLog, "partition 5 has offsets 0 to 2"):
                self.reader(messages_of(log), checkpoints={SHARD: Checkpoint(SHARD, offset, 1, bytes(32))})
            self.assertTrue(self.consumer.closed)

    def test_a_partition_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(ValueError, "topic 't' has no partition 7"):
            self.reader([], partitions=[7])

    def test_a_position_is_read_from_until_the_tenant_leaves_its_shard(self):
        for behind, given, by in ((1, [2, 3], 3), (2, [3], 3), (3, [], 3), (4, [], 3), (5, [6, 7], 7), (6, [7], 7),
                                  (7, [], 7), (8, [], 7)):
            for last in (3, 8) if by == 3 and behind < 4 else (8,):
                reader = self.reader(messages_of_moved()[:1 + last], tenant="acme",
                                     position=position_of("acme", SHARD, behind))
                lsns = []
                with self.subTest(behind=behind, last=last), self.assertRaises(TenantMoved) as error:
                    for _ in range(100):
                        self.assertTrue(reader.is_behind)
                        lsns += [event.record.lsn for event in reader.poll(0)]
                self.assertEqual(lsns, given)
                for part in ("tenant 'acme' was moved from shard 5 to shard 101", position_of("acme", SHARD, by),
                             "--checkpoint"):
                    self.assertIn(part, str(error.exception))
                with self.assertRaises(TenantMoved):
                    reader.poll(0)

    def test_a_type_that_leaves_the_departure_out_does_not_hide_it(self):
        reader = self.reader(messages_of_moved(), tenant="acme", types=["trv.ex"], position=position_of("acme", SHARD, 1))
        lsns = []
        with self.assertRaises(TenantMoved):
            for _ in range(100):
                lsns += [event.record.lsn for event in reader.poll(0)]
        self.assertEqual(lsns, [2])

    def test_moves_before_the_position_and_of_other_tenants_do_not_end_the_reading(self):
        for tenant, behind, count, given in (("acme", 5, 7, [6]), ("acme", 1, 3, [2]), ("beta", 1, 9, [])):
            reader = self.reader(messages_of_moved()[:count], tenant=tenant, position=position_of(tenant, SHARD, behind))
            self.assertEqual(self.lsns_to_end(reader), given)
        self.assertEqual(self.lsns_to_end(self.reader(messages_of_moved(), tenant="acme")), list(range(1, 9)))

    def test_a_position_goes_without_partitions_and_checkpoints_and_is_of_the_tenant(self):
        position = position_of("acme", SHARD, 1)
        for other in ({"partitions": [SHARD]}, {"checkpoints": {SHARD: Checkpoint(SHARD, 2, 1, bytes(32))}}):
            with self.assertRaisesRegex(ValueError, "leave partitions and checkpoints out"):
                self.reader([], tenant="acme", position=position, **other)
        with self.assertRaisesRegex(ValueError, "is not a position in the events of tenant 'beta'"):
            self.reader([], tenant="beta", position=position)


class CommandTest(unittest.TestCase):
    def run_with(self, messages, *arguments):
        """Exit code, lines and messages."""
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        with mock.patch.object(kafka, "Consumer", FakeConsumer(messages)), contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err), mock.patch.object(command.signal, "signal"):
            try:
                code = command.main(["--brokers", "127.0.0.1:1", "--topic", "t", "--until-end", *arguments])
            except SystemExit as ended:
                code = ended.code
        return code, out.buffer.getvalue().decode().splitlines(), err.getvalue()

    def test_from_ends_where_the_tenant_was_moved(self):
        code, lines, said = self.run_with(messages_of_moved(), "--tenant", "acme", "--from", position_of("acme", SHARD, 1))
        self.assertEqual((code, [json.loads(line)["type"] for line in lines]),
                         (2, ["trv.example.happened", "trv.tenant.departed"]))
        self.assertIn("was moved from shard 5 to shard 101", said)
        code, lines, _ = self.run_with(messages_of_moved(), "--tenant", "acme", "--from", "0")
        self.assertEqual((code, len(lines)), (0, 8))

    def test_a_tenant_without_events_is_named_once_its_name_can_be_wrong(self):
        log = Log().claim(1).record(1, 1)
        with tempfile.TemporaryDirectory() as folder:
            kept = ["--checkpoint", str(pathlib.Path(folder) / "kept.json")]
            for arguments, lines, said in (([], 1, ""), (["--tenant", "acme"], 1, ""),
                                           (["--tenant", "acme", "--type", "x"], 0, ""),
                                           (["--tenant", "nobody"], 0, "has no event of tenant 'nobody' so far"),
                                           (["--tenant", "nobody", *kept], 0, "has no event of tenant 'nobody' so far"),
                                           (["--tenant", "nobody", *kept], 0, "")):
                with self.subTest(arguments=arguments):
                    code, given, message = self.run_with(messages_of(log), *arguments)
                    self.assertEqual((code, len(given), message.count("\n")), (0, lines, 1 if said else 0))
                    self.assertIn(said, message)

    def test_from_needs_its_tenant_and_goes_without_a_checkpoint(self):
        position = position_of("acme", SHARD, 1)
        for arguments, said in ((["--from", "0"], "needs --tenant"), (["--from", position], "needs --tenant"),
                                (["--from", "", "--tenant", "acme"], "is not a position"),
                                (["--from", position, "--tenant", "acme", "--checkpoint", "f"], "exclude each other")):
            code, lines, message = self.run_with([], *arguments)
            self.assertEqual((code, lines), (2, []))
            self.assertIn(said, message)


if __name__ == "__main__":
    unittest.main()
