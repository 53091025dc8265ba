"""What must hold of a history, whatever failed meanwhile. Pure: takes what was acknowledged, called and recorded, and
gives the findings."""

import collections
from typing import Any, Dict, NamedTuple

import moves

ENDS = ("trv.instance.completed", "trv.instance.faulted", "trv.instance.cancelled")
EFFECT_ENDS = ("trv.effect.succeeded", "trv.effect.failed", "trv.effect.cancelled")
FINDINGS_MAX = 20


class Event(NamedTuple):
    """A record that counts, as it was read from the topic."""

    shard: int
    lsn: int
    id: str
    tenant: str
    type: str
    stream: str
    data: Dict[str, Any]
    hash: bytes = b""
    before: bytes = b""  # hash of the record before


def check(acks, tried, events, calls):
    """Of the events of all shards, each shard's in order. Returns one line for each thing that does not hold."""
    findings = chain(events) + each_once(events)
    events, of_moves = moves.follow(events)
    findings += of_moves + moves.wanted(acks, tried, events)
    findings += starts(acks, tried, events) + received(acks, tried, events) + order(acks, events)
    findings += instances(events) + effects(events, calls)
    return findings[:FINDINGS_MAX]


def chain(events):
    """Each shard's records are gapless from 1, and each has the hash of the one before."""
    findings, last = [], {}
    for event in events:
        lsn, before = last.get(event.shard, (0, bytes(32)))
        if event.lsn != lsn + 1:
            findings.append(f"shard {event.shard}: lsn {event.lsn} follows {lsn}")
        elif event.before != before:
            findings.append(f"shard {event.shard}: the record {event.lsn} does not have the hash of the one before")
        last[event.shard] = (event.lsn, event.hash)
    return findings


def each_once(events):
    counts = collections.Counter(event.id for event in events)
    return [f"the event {id} is there {count} times" for id, count in counts.items() if count > 1]


def key_of(event):
    """Idempotency key of the request that started the instance; the id of the CloudEvent that did."""
    return event.data["trigger"].split(":", 1)[-1]


def starts(acks, tried, events):
    findings = []
    found = collections.defaultdict(list)
    for event in events:
        if event.type == "trv.instance.started":
            found[event.tenant, key_of(event)].append(event.stream)
    for (tenant, key), streams in found.items():
        if len(streams) > 1:
            findings.append(f"{tenant}: the key {key} started {len(streams)} instances")
        if (tenant, key) not in tried:
            findings.append(f"{tenant}: an instance with the key {key}, which nobody asked for")
    for ack in acks:
        if ack.kind == "start" and ack.instance not in found[ack.tenant, ack.key]:
            findings.append(f"{ack.tenant}: the start {ack.key} was acknowledged as {ack.instance} and is not there")
        if ack.kind == "event" and not found[ack.tenant, ack.key]:
            findings.append(f"{ack.tenant}: the acknowledged event {ack.key} started no instance")
    return findings


def received(acks, tried, events):
    findings = []
    counts = collections.Counter((event.tenant, event.data["id"]) for event in events
                                 if event.type == "trv.event.received")
    findings += [f"{tenant}: the event {key} was taken {count} times"
                 for (tenant, key), count in counts.items() if count > 1]
    findings += [f"{tenant}: the event {key} was never sent" for tenant, key in counts if (tenant, key) not in tried]
    findings += [f"{ack.tenant}: the event {ack.key} was acknowledged and is not there" for ack in acks
                 if ack.kind == "event" and (ack.tenant, ack.key) not in counts]
    return findings


def order(acks, events):
    """A client sends its next request after the answer to the one before: so are their records."""
    findings, places, last = [], {}, {}
    for place, event in enumerate(events):
        if event.type == "trv.instance.started":
            places[event.tenant, key_of(event)] = place
    for ack in acks:
        place = places.get((ack.tenant, ack.key))
        if place is None:
            continue
        before = last.get(ack.client)
        if before is not None and place < before[0]:
            findings.append(f"{ack.tenant}: {ack.key} was acknowledged after {before[1]} and is recorded before it")
        last[ack.client] = (place, ack.key)
    return findings


def instances(events):
    """Each begins once, ends once, and has nothing outside."""
    findings, state = [], {}
    for event in events:
        if event.type == "trv.instance.started":
            state[event.stream] = "runs"
        elif event.type in ENDS:
            if state.get(event.stream) != "runs":
                findings.append(f"{event.tenant}: {event.type} of {event.stream}, which is {state.get(event.stream)}")
            state[event.stream] = "ended"
            if event.type != ENDS[0]:
                findings.append(f"{event.tenant}: {event.stream} ended with {event.type}: {event.data}")
        elif event.type.startswith(("trv.task.", "trv.effect.")) and state.get(event.stream) != "runs":
            findings.append(f"{event.tenant}: {event.type} of {event.stream}, which is {state.get(event.stream)}")
    findings += [f"{stream} did not end" for stream, one in state.items() if one == "runs"]
    return findings


def effects(events, calls):
    """Each key is requested once and ends once; each call had a key that was requested, and one body. While its tenant
    moves, an effect is parked."""
    findings, parked = [], set()
    requested, ended = collections.Counter(), collections.Counter()
    for event in events:
        if event.type == "trv.effect.requested":
            requested[event.data["key"]] += 1
        elif event.type in ("trv.effect.parked", "trv.effect.released"):
            key, parks = event.data["key"], event.type == "trv.effect.parked"
            if (key in parked) == parks or requested[key] == 0 or ended[key] > 0:
                findings.append(f"{event.tenant}: {event.type} of {key}, which is not to be")
            (parked.add if parks else parked.discard)(key)
        elif event.type in EFFECT_ENDS:
            key = event.data["key"]
            ended[key] += 1
            if key in parked:
                findings.append(f"{event.tenant}: {event.type} of {key}, which is parked")
            if requested[key] == 0:
                findings.append(f"{event.tenant}: {event.type} of {key}, which was not requested before")
            if event.type == EFFECT_ENDS[0] and key not in calls:
                findings.append(f"{event.tenant}: {key} succeeded, and the service was never called")
    findings += [f"the effect {key} was requested {count} times" for key, count in requested.items() if count != 1]
    findings += [f"the effect {key} ended {ended[key]} times" for key in requested if ended[key] != 1]
    findings += [f"the effect {key} was parked and is not released" for key in parked]
    for key, bodies in calls.items():
        if key not in requested:
            findings.append(f"the service was called with the key '{key}', which no event has")
        if len(set(bodies)) > 1:
            findings.append(f"the service was called with the key '{key}' and {len(set(bodies))} different bodies")
    return findings
