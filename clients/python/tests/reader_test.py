"""The reader of a topic, over a consumer that gives what the test says. The real one is used in tests/kafka."""

import unittest
from unittest import mock

from confluent_kafka import KafkaError

from entries import SHARD, Log, record
from travertine_events import Checkpoint, DamagedLog, Reader
from travertine_events import kafka


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


if __name__ == "__main__":
    unittest.main()
