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
    """Two tenants on two shards; one client each starts three instances with an effect, and sends an event."""

    def __init__(self):
        self.acks, self.tried, self.calls, events = [], set(), {}, []
        for shard, tenant in ((1, "ada"), (2, "ben")):
            for number in range(4):
                key, instance = f"{tenant}-{number}", f"instance-{tenant}-{number}"
                self.tried.add((tenant, key))
                is_event = number == 3
                self.acks.append(Ack(tenant, "event" if is_event else "start", tenant, key, "" if is_event else instance))
                effect = f"{tenant}/{instance}/do/0/1"
                self.calls[effect] = [key.encode()] * (1 + number % 2)
                if is_event:
                    events.append((shard, tenant, "trv.event.received", key, {"id": key}))
                trigger = f"event:{key}" if is_event else f"key:{key}"
                events += [(shard, tenant, "trv.instance.started", instance, {"trigger": trigger}),
                           (shard, tenant, "trv.effect.requested", instance, {"key": effect}),
                           (shard, tenant, "trv.effect.succeeded", instance, {"key": effect}),
                           (shard, tenant, "trv.instance.completed", instance, {})]
        self.events = chained([Event(shard, 0, f"id-{place}", tenant, type, stream, data)
                               for place, (shard, tenant, type, stream, data) in enumerate(events)])

    def findings(self):
        return check(self.acks, self.tried, self.events, self.calls)


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
        for place in range(len(self.history.events)):
            whole = list(self.history.events)
            del self.history.events[place]
            self.assertNotEqual(self.history.findings(), [], whole[place])
            self.history.events = chained(self.history.events)
            self.assertNotEqual(self.history.findings(), [], f"without the gap: {whole[place]}")
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
        first, second = self.places("trv.instance.started")[:2]
        events = self.history.events
        events[first:second + 4] = events[second:second + 4] + events[first:second]
        self.history.events = chained(events)
        self.expect("ada-1 was acknowledged after ada-0 and is recorded before it")

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


if __name__ == "__main__":
    unittest.main()
