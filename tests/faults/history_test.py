"""The checker finds what is planted into a history that holds."""

import hashlib
import random
import unittest

from history import Event, check
from load import Ack


def chained(events):
    """The same events with the lsns and hashes that a log gives them, so that only what they say is wrong."""
    last, result = {}, []
    for event in events:
        lsn, before = last.get(event.shard, (0, bytes(32)))
        digest = hashlib.sha256(before + repr((event.id, event.type)).encode()).digest()
        result.append(event._replace(lsn=lsn + 1, hash=digest, before=before))
        last[event.shard] = (lsn + 1, digest)
    return result


class History:
    """Two tenants; one client each starts three instances with an effect, and sends an event."""

    def __init__(self):
        self.acks, self.tried, self.calls = [], set(), {}
        self.ada, self.ben = [self.life(tenant) for tenant in ("ada", "ben")]
        self.shards = {1: [("ada", one) for one in self.ada], 2: [("ben", one) for one in self.ben]}
        self.take()

    def take(self):
        """The events, as they are read: those of each shard in order."""
        self.events = chained([Event(shard, 0, f"id-{shard}-{place}", tenant, type, stream, dict(data))
                               for shard, events in self.shards.items()
                               for place, (tenant, (type, stream, data)) in enumerate(events)])

    def life(self, tenant):
        """What is recorded of a tenant: 17 events and the one that an event from outside leaves."""
        life = [("trv.tenant.created", tenant, {})]
        for number in range(4):
            key, instance = f"{tenant}-{number}", f"instance-{tenant}-{number}"
            self.tried.add((tenant, key))
            is_event = number == 3
            self.acks.append(Ack(tenant, "event" if is_event else "start", tenant, key, "" if is_event else instance))
            effect = f"{tenant}/{instance}/do/0/1"
            self.calls[effect] = [key.encode()] * (1 + number % 2)
            if is_event:
                life.append(("trv.event.received", key, {"id": key}))
            trigger = f"event:{key}" if is_event else f"key:{key}"
            life += [("trv.instance.started", instance, {"trigger": trigger}),
                     ("trv.effect.requested", instance, {"key": effect}),
                     ("trv.effect.succeeded", instance, {"key": effect}),
                     ("trv.instance.completed", instance, {})]
        return life

    def findings(self):
        return check(self.acks, self.tried, self.events, self.calls)


class MovedHistory(History):
    """The same; ada moves from shard 1 to 2, while an effect waits, and back."""

    def __init__(self):
        super().__init__()
        platform = []  # a move's number is the lsn of its first record: 1 and 4
        for shard, back in ((2, 1), (1, 2)):
            self.tried.add(("ada", f"shard {shard}"))
            self.acks.append(Ack("operator", "move", "ada", f"shard {shard}", ""))
            platform += [(f"trv.tenant.{step}", "ada", {"tenant": "ada"} | more) for step, more in (
                ("move_requested", {"from": back, "to": shard}), ("moved", {"shard": shard}), ("move_finished", {}))]
        (_, waits, effect) = self.ada[6]
        key = {"key": effect["key"]}
        first = self.ada[:7] + [("trv.effect.parked", waits, key), ("trv.tenant.departed", "ada", {"move": "1", "to": 2})]
        second = [("trv.effect.released", waits, key), *self.ada[7:13], ("trv.tenant.departed", "ada", {"move": "4", "to": 1})]
        erased = ("trv.rows.erased", "ada", {"rows": 9})
        rows = [self.arrival("1"), self.arrival("4")]
        self.shards = {0: [("system", one) for one in platform],
                       1: [("ada", one) for one in (*first, erased, *rows[1], *self.ada[13:])],
                       2: [("ben", one) for one in self.ben] + [("ada", one) for one in (*rows[0], *second, erased)]}
        self.take()

    @staticmethod
    def arrival(move):
        return [("trv.rows.copied", "ada", {"move": move, "digest": "a" + move}),
                ("trv.rows.copied", "ada", {"move": move, "digest": "b" + move}), ("trv.tenant.arrived", "ada", {"move": move})]


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.history = History()

    def expect(self, words):
        findings = self.history.findings()
        self.assertTrue(any(words in one for one in findings), f"{words!r} is not in {findings}")

    def places(self, type):
        return [place for place, event in enumerate(self.history.events) if event.type == type]

    def test_a_whole_history_has_no_findings(self):
        self.assertEqual(self.history.findings(), [])

    def test_any_event_that_is_dropped_is_found(self):
        # The last one of a shard is missed by what it says, the others by the gap, too.
        for place, event in enumerate(list(self.history.events)):
            whole = list(self.history.events)
            del self.history.events[place]
            self.assertNotEqual(self.history.findings(), [], whole[place])
            self.history.events = chained(self.history.events)
            if event.type != "trv.rows.copied":  # of which there are any number
                self.assertNotEqual(self.history.findings(), [], f"without the gap: {event}")
            self.history.events = whole

    def test_any_event_that_is_doubled_is_found(self):
        for place, event in enumerate(self.history.events):
            whole = list(self.history.events)
            for again in (event, event._replace(id="another")):
                self.history.events.insert(place + 1, again)
                self.assertNotEqual(self.history.findings(), [], event)
                self.history.events = chained(self.history.events)
                self.assertNotEqual(self.history.findings(), [], f"without the gap: {event}")
                self.history.events = list(whole)

    def test_any_two_events_of_a_shard_that_are_swapped_are_found(self):
        source = random.Random(1)
        for _ in range(200):
            whole = list(self.history.events)
            one, other = source.sample(range(len(whole)), 2)
            if whole[one].shard == whole[other].shard:
                self.history.events[one], self.history.events[other] = whole[other], whole[one]
                self.assertNotEqual(self.history.findings(), [], (one, other))
            self.history.events = whole

    def test_a_changed_record_is_found(self):
        self.history.events[4] = self.history.events[4]._replace(hash=bytes(32))
        self.expect("does not have the hash of the one before")

    def test_starts_that_are_recorded_in_another_order_are_found(self):
        events = self.history.events
        first, second = [place for place in self.places("trv.instance.started") if events[place].tenant == "ben"][:2]
        events[first:second + 4] = events[second:second + 4] + events[first:second]
        self.history.events = chained(events)
        self.expect("ben-1 was acknowledged after ben-0 and is recorded before it")

    def test_a_key_that_starts_two_instances_is_found(self):
        for place in self.places("trv.instance.started")[:2]:
            self.history.events[place] = self.history.events[place]._replace(data={"trigger": "key:ada-0"})
        self.expect("the key ada-0 started 2 instances")
        self.expect("the start ada-1 was acknowledged as instance-ada-1 and is not there")

    def test_an_acknowledgement_that_names_another_instance_is_found(self):
        self.history.acks[0] = self.history.acks[0]._replace(instance="elsewhere")
        self.expect("the start ada-0 was acknowledged as elsewhere and is not there")

    def test_what_nobody_asked_for_is_found(self):
        self.history.tried -= {("ben", "ben-2"), ("ben", "ben-3")}
        self.expect("an instance with the key ben-2, which nobody asked for")
        self.expect("the event ben-3 was never sent")

    def test_an_effect_that_ends_twice_or_never_is_found(self):
        first = self.places("trv.effect.succeeded")[0]
        key = self.history.events[first].data["key"]
        other = self.history.events[self.places("trv.effect.succeeded")[1]].data["key"]
        self.history.events[first] = self.history.events[first]._replace(data={"key": other})
        self.expect(f"the effect {key} ended 0 times")
        self.expect(f"the effect {other} ended 2 times")

    def test_calls_with_other_keys_or_bodies_are_found(self):
        key = next(iter(self.history.calls))
        self.history.calls[key] = [b"one", b"other"]
        self.expect(f"the service was called with the key '{key}' and 2 different bodies")
        self.history.calls[""] = [b""]
        self.expect("the service was called with the key '', which no event has")
        del self.history.calls[key]
        self.expect(f"{key} succeeded, and the service was never called")

    def test_an_instance_that_faults_is_found(self):
        place = self.places("trv.instance.completed")[0]
        self.history.events[place] = self.history.events[place]._replace(type="trv.instance.faulted")
        self.expect("ended with trv.instance.faulted")


class MovedHistoryTest(HistoryTest):
    """All of the above holds of a tenant that has moved, and this besides."""

    def setUp(self):
        self.history = MovedHistory()

    def planted(self, shard, at, what, tenant="ada"):
        """With one more record in a shard, or with less where `what` is None."""
        self.history.shards[shard][at:at + (what is None)] = [] if what is None else [(tenant, what)]
        self.history.take()

    def test_starts_over_shards_that_are_recorded_in_another_order_are_found(self):
        acks = self.history.acks
        acks[0], acks[2] = acks[2], acks[0]
        self.expect("ada-0 was acknowledged after ada-1 and is recorded before it")

    def test_what_is_recorded_where_the_tenant_does_not_live_is_found(self):
        start = ("trv.instance.started", "another", {"trigger": "key:ada-0"})
        self.planted(1, 9, start)
        self.expect("trv.instance.started is record 10 of shard 1, where the tenant is 'left' (move 1)")
        self.history = MovedHistory()
        self.planted(1, 10, start)
        self.expect("where the tenant is 'gone'")
        self.history = MovedHistory()
        self.planted(2, len(self.history.ben) + 1, start)
        self.expect("where the tenant is 'arrives' (move 1)")
        self.history = MovedHistory()
        self.history.shards[3] = [("ada", start)]
        self.history.take()
        self.expect("trv.instance.started is record 1 of shard 3, where the tenant is 'gone'")

    def test_an_instance_that_both_shards_start_is_found(self):
        self.planted(2, len(self.history.ben) + 3, ("trv.instance.started", "another", {"trigger": "key:ada-0"}))
        self.expect("the key ada-0 started 2 instances")

    def test_an_arrival_elsewhere_twice_or_never_is_found(self):
        self.history.shards[3] = [("ada", one) for one in self.history.arrival("1")]
        self.history.take()
        self.expect("trv.tenant.arrived is record 3 of shard 3")
        self.history = MovedHistory()
        rows = self.history.shards[2]
        self.history.shards[3] = [one for one in rows if one[0] == "ada"]
        self.history.shards[2] = [one for one in rows if one[0] == "ben"]
        self.history.take()
        self.expect("it arrived in shard 3 with move 1, which leads elsewhere")
        self.history = MovedHistory()
        self.history.shards[2] = [one for one in rows if one[0] == "ben"]
        self.history.take()
        self.expect("it never arrived with move 1")
        self.expect("its move 4 was requested and never made")

    def test_rows_that_are_copied_twice_are_found(self):
        self.planted(2, len(self.history.ben) + 1, self.history.arrival("1")[0])
        self.expect("the same rows were copied 2 times in move 1")

    def test_a_move_that_is_not_finished_is_found(self):
        self.planted(0, 5, None)
        self.expect("ada: its move 4 is not finished: moved")
        self.expect("the move to shard 1 was acknowledged and is not there")

    def test_a_move_that_nobody_asked_for_is_found(self):
        self.history.tried.remove(("ada", "shard 2"))
        self.expect("it was moved to shard 2, which nobody asked for")

    def test_an_effect_that_ends_while_it_is_parked_or_is_never_released_is_found(self):
        place = self.places("trv.effect.released")[0]
        key = self.history.events[place].data["key"]
        del self.history.events[place]
        self.history.events = chained(self.history.events)
        self.expect(f"trv.effect.succeeded of {key}, which is parked")
        self.expect(f"the effect {key} was parked and is not released")


if __name__ == "__main__":
    unittest.main()
