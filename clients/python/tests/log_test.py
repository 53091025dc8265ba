"""Which records count, and what stops a reader. The cases are those of docs/formats/record.md."""

import random
import unittest

from entries import SHARD, Log, claim, record
from travertine_events import Checkpoint, DamagedLog, ShardLog, read_log


def lsns(log: Log, checkpoint=None, first: int = 0):
    return [(event.record.epoch, event.record.lsn) for event in read_log(SHARD, log.entries[first:], checkpoint)]


class VoidRuleTest(unittest.TestCase):
    def test_the_example_of_the_format(self):
        log = Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3).record(1, 4, end=False).claim(2)
        log.add(record(1, 5, bytes(32)))
        log.record(2, 4).claim(2).record(2, 5)
        self.assertEqual(lsns(log), [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)])

    def test_a_decision_is_given_whole_or_not_at_all(self):
        log = ShardLog(SHARD)
        written = Log().claim(1).record(1, 1, end=False).record(1, 2, end=False).record(1, 3)
        given = [len(log.take(offset, value)) for offset, value in written.entries]
        self.assertEqual(given, [0, 0, 0, 3])

    def test_a_torn_decision_never_happened(self):
        log = Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3, end=False).claim(2).record(2, 2)
        self.assertEqual(lsns(log), [(1, 1), (2, 2)])

    def test_the_rest_of_a_torn_decision_behind_the_claim_is_void(self):
        log = Log().claim(1).record(1, 1).record(1, 2, end=False).claim(2)
        log.add(record(1, 3, bytes(32)))
        log.record(2, 2)
        self.assertEqual(lsns(log), [(1, 1), (2, 2)])

    def test_a_claim_that_loses_makes_nothing_void(self):
        log = Log().claim(3).record(3, 1, end=False).claim(3).claim(2).record(3, 2)
        self.assertEqual(lsns(log), [(3, 1), (3, 2)])

    def test_a_repetition_is_skipped(self):
        log = Log().claim(1).record(1, 1).record(1, 2).copy_of(1).copy_of(2).record(1, 3)
        self.assertEqual(lsns(log), [(1, 1), (1, 2), (1, 3)])

    def test_a_decision_that_has_not_ended_is_held_back(self):
        self.assertEqual(lsns(Log().claim(1).record(1, 1).record(1, 2, end=False)), [(1, 1)])


class DamageTest(unittest.TestCase):
    def stops(self, log: Log, given: int, message: str) -> None:
        reader = ShardLog(SHARD)
        events = []
        with self.assertRaisesRegex(DamagedLog, message) as first:
            for offset, value in log.entries:
                events += reader.take(offset, value)
        self.assertEqual(len(events), given)
        with self.assertRaises(DamagedLog) as again:
            reader.take(1000, claim(99))
        self.assertIs(again.exception, first.exception, "and nothing more is given")

    def test_a_gap(self):
        log = Log().claim(1).record(1, 1)
        log.add(record(1, 3, bytes(32)))
        self.stops(log, 1, "shard 5 is damaged at offset 4: a gap: lsn 3 follows lsn 1")

    def test_a_record_without_its_claim(self):
        log = Log().claim(1).record(1, 1).record(2, 2)
        self.stops(log, 1, "epoch 2 without its claim")

    def test_an_entry_of_another_shard(self):
        with self.assertRaisesRegex(DamagedLog, "an entry of shard 5"):
            list(read_log(4, [(0, claim(1))]))

    def test_a_broken_chain(self):
        log = Log().claim(1).record(1, 1)
        log.add(record(1, 2, b"x" * 32))
        self.stops(log, 1, "the chain breaks at lsn 2")

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

    def test_a_time_that_runs_backwards(self):
        log = Log().claim(1).record(1, 1, time_ns=20).record(1, 2, time_ns=20).record(1, 3, time_ns=19)
        self.stops(log, 2, "time runs backwards: lsn 3 has 19 ns, the record before has 20 ns")

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
    def test_a_reader_goes_on_behind_every_checkpoint(self):
        log = Log().claim(1).record(1, 1).record(1, 2, end=False).record(1, 3, end=False).record(1, 4).claim(2)
        log.record(2, 5, end=False).record(2, 6)
        for event in list(read_log(SHARD, log.entries)):
            at = event.offset // 2
            rest = [lsn for _, lsn in lsns(log, event.checkpoint, at)]
            self.assertEqual(rest, list(range(event.record.lsn + 1, 7)))

    def test_another_record_in_the_place_of_the_checkpoint_is_damage(self):
        log = Log().claim(1).record(1, 1).record(1, 2)
        known = list(read_log(SHARD, log.entries))[0].checkpoint
        for other in (known._replace(hash=bytes(32)), known._replace(lsn=2), known._replace(offset=3)):
            with self.assertRaisesRegex(DamagedLog, "not the record of the checkpoint"):
                lsns(log, other, 1)
        with self.assertRaisesRegex(DamagedLog, "is a claim"):
            lsns(log, known, 0)

    def test_a_checkpoint_of_another_shard_is_refused(self):
        with self.assertRaisesRegex(ValueError, "shard 1, not of shard 5"):
            ShardLog(SHARD, Checkpoint(1, 0, 1, bytes(32)))

    def test_a_trimmed_log_begins_with_a_record(self):
        log = Log().claim(1).record(1, 1).record(1, 2).record(1, 3)
        self.assertEqual(lsns(log, first=2), [(1, 2), (1, 3)])
        behind = Log().claim(1).claim(2)
        with self.assertRaisesRegex(DamagedLog, "the entries before this claim were deleted"):
            lsns(behind, first=1)


if __name__ == "__main__":
    unittest.main()
