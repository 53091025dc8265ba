"""Tenants that move between shards: where each lived, and its history over all of them. Pure, as the checker."""

import collections

SYSTEM = "system"  # the tenant of the platform, which does not move
ROWS = "trv.rows."  # of records that copy a tenant's rows, and are not part of its history


class Stay:
    """A tenant in a shard, from its creation or a move up to the next one."""

    def __init__(self, shard):
        self.shard, self.events, self.next = shard, [], None  # the number of the move that ends it


class Platform:
    """What the platform's shard says of moves: requested, made and finished, one after the other for each tenant."""

    def __init__(self, events):
        self.findings, self.moves = [], {}  # by the move's number: tenant, from, to
        self.finished = collections.defaultdict(list)  # of each tenant: the shards it has moved to
        under_way = {}  # of each tenant: the number of its move, and the step
        for event in events:
            if event.tenant != SYSTEM or not event.type.startswith("trv.tenant.move"):
                continue
            tenant, step = event.data["tenant"], event.type.split(".")[-1]
            number, before = under_way.get(tenant, (None, "move_finished"))
            if before != {"move_requested": "move_finished", "moved": "move_requested", "move_finished": "moved"}[step]:
                self.findings.append(f"{tenant}: {event.type} (record {event.lsn}) follows {before}")
            if step == "move_requested":
                number = event.lsn
                self.moves[number] = (tenant, int(event.data["from"]), int(event.data["to"]))
            elif step == "move_finished" and number in self.moves:
                self.finished[tenant].append(self.moves[number][2])
            under_way[tenant] = (number, step)
        self.findings += [f"{tenant}: its move {number} is not finished: {step}"
                          for tenant, (number, step) in under_way.items() if step != "move_finished"]


class Houses:
    """Which events each tenant has in each shard, split into stays."""

    def __init__(self, events, platform):
        self.findings, self.stays, self._moves = [], {}, platform.moves
        self._states = {}  # of tenant and shard: how it is there, and the number of its stay or move
        self._copied = collections.Counter()
        for event in events:
            if event.tenant != SYSTEM:
                self._take(event)
        self.findings += [f"{tenant}: in shard {shard} it is {state} at last, with move {number}"
                          for (tenant, shard), (state, number) in self._states.items() if state not in ("here", "gone")]
        self.findings += [f"{tenant}: the same rows were copied {count} times in move {number}"
                          for (tenant, number, _), count in self._copied.items() if count > 1]

    def _take(self, event):
        place = (event.tenant, event.shard)
        state, number = self._states.get(place, ("gone", None))
        step = (event.type, state)
        if step == ("trv.tenant.created", "gone") and (event.tenant, 0) not in self.stays:
            self._begin(event, 0)
        elif event.type == "trv.rows.copied" and (step[1] == "gone" or (state, number) == ("arrives", int(event.data["move"]))):
            self._copied[event.tenant, int(event.data["move"]), str(event.data.get("digest", event.id))] += 1
            self._states[place] = ("arrives", int(event.data["move"]))
        elif step == ("trv.tenant.arrived", "arrives") and number == int(event.data["move"]) and \
                (event.tenant, number) not in self.stays:
            self._begin(event, number)
        elif step == ("trv.tenant.departed", "here"):
            stay, move = self.stays[event.tenant, number], int(event.data["move"])
            if self._moves.get(move) != (event.tenant, event.shard, int(event.data["to"])):
                self._report(event, f"move {move}, which nobody requested so")
            stay.events.append(event)
            stay.next = move
            self._states[place] = ("left", move)
        elif step == ("trv.rows.erased", "left"):
            self._states[place] = ("gone", number)
        elif state == "here" and not event.type.startswith(ROWS) and \
                event.type not in ("trv.tenant.created", "trv.tenant.arrived"):
            self.stays[event.tenant, number].events.append(event)
        else:
            self._report(event, f"where the tenant is '{state}' (move {number})")

    def _begin(self, event, number):
        self.stays[event.tenant, number] = stay = Stay(event.shard)
        stay.events.append(event)
        self._states[event.tenant, event.shard] = ("here", number)

    def _report(self, event, what):
        self.findings.append(f"{event.tenant}: {event.type} is record {event.lsn} of shard {event.shard}, {what}")


def follow(events):
    """The events of all shards, those of each tenant in the order of its history; and what is wrong with the moves."""
    platform = Platform(events)
    houses = Houses(events, platform)
    findings = platform.findings + houses.findings
    ordered = [event for event in events if event.tenant == SYSTEM]
    visited = set()
    for tenant in sorted({tenant for tenant, _ in houses.stays}):
        number = 0
        while number is not None and (tenant, number) not in visited:
            stay = houses.stays.get((tenant, number))
            if stay is None:
                findings.append(f"{tenant}: it never arrived with move {number}")
                break
            if number != 0 and platform.moves.get(number, (tenant, None, None))[2] != stay.shard:
                findings.append(f"{tenant}: it arrived in shard {stay.shard} with move {number}, which leads elsewhere")
            visited.add((tenant, number))
            ordered += stay.events
            number = stay.next
    findings += [f"{tenant}: a stay in shard {stay.shard}, to which no move of its history leads: {number}"
                 for (tenant, number), stay in houses.stays.items() if (tenant, number) not in visited]
    findings += [f"{tenant}: its move {number} was requested and never made"
                 for number, (tenant, _, _) in platform.moves.items() if (tenant, number) not in visited]
    return ordered, findings


def wanted(acks, tried, events):
    """A move that was acknowledged is made, and nobody has moved who was not asked to."""
    platform = Platform(events)
    made = {(tenant, key_of(shard)) for tenant, shards in platform.finished.items() for shard in shards}
    findings = [f"{ack.tenant}: the move to {ack.key} was acknowledged and is not there"
                for ack in acks if ack.kind == "move" and (ack.tenant, ack.key) not in made]
    return findings + [f"{tenant}: it was moved to {key_of(to)}, which nobody asked for"
                       for tenant, _, to in platform.moves.values() if (tenant, key_of(to)) not in tried]


def key_of(shard):
    """Of the acknowledgement of a move."""
    return f"shard {shard}"
