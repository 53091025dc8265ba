"""Clients that start instances and send events, repeat what was not acknowledged, and note what was."""

import json
import random
import threading
import time
from typing import NamedTuple
from urllib.parse import quote

from nodes import ask

CALL = """document: {{dsl: '1.0.3', namespace: faults, name: call, version: '1.0.0'}}
do:
  - before: {{set: {{key: '${{ .key }}'}}}}
  - called:
      try:
        - call: {{call: http, with: {{method: post, endpoint: 'http://127.0.0.1:{port}/', body: {{key: '${{ .key }}'}}}}, timeout: {{after: {{minutes: 10}}}}}}
      catch: {{retry: {{delay: {{milliseconds: 200}}, limit: {{attempt: {{count: 1000}}}}}}}}
  - rest: {{wait: {{milliseconds: 200}}}}
  - called-again:
      try:
        - again: {{call: http, with: {{method: post, endpoint: 'http://127.0.0.1:{port}/', body: {{again: '${{ .key }}'}}}}, timeout: {{after: {{minutes: 10}}}}}}
      catch: {{retry: {{delay: {{milliseconds: 200}}, limit: {{attempt: {{count: 1000}}}}}}}}
"""
PLAIN = """document: {dsl: '1.0.3', namespace: faults, name: plain, version: '1.0.0'}
do:
  - one: {set: {key: '${ .key }'}}
  - rest: {wait: {milliseconds: 500}}
  - two: {set: {done: true}}
"""
HEARD = """document: {dsl: '1.0.3', namespace: faults, name: heard, version: '1.0.0'}
schedule: {on: {one: {with: {type: faults.sent}}}}
do:
  - one: {set: {heard: true}}
"""
RETRY_S = 0.1
UNKNOWN_FOR_S = 2  # two sessions of the group
ANSWERED_WITHIN_S = 120  # after which the cluster has not recovered


class Ack(NamedTuple):
    """What a client was answered: this happened, and is durable."""

    client: str
    kind: str  # start, event, move
    tenant: str
    key: str  # idempotency key, or id of the event, or where to
    instance: str  # of a start


class Ledger:
    """What all clients saw."""

    def __init__(self):
        self.acks, self.tried, self.findings, self.waits = [], set(), [], []
        self._lock = threading.Lock()

    def note(self, what, one):
        with self._lock:
            (what.add if isinstance(what, set) else what.append)(one)


class Client(threading.Thread):
    """One request after the other, for one tenant, through any node."""

    def __init__(self, name, seed, nodes, tenant, token, ledger, pause=0.03):
        super().__init__(daemon=True)
        self.label, self.nodes, self.tenant, self.token, self.ledger = name, nodes, tenant, token, ledger
        self.random, self.pause_s, self.is_over = random.Random(seed), pause, False

    def run(self):
        number = 0
        while not self.is_over:
            number += 1
            key = f"{self.label}-{number}"
            self.ledger.note(self.ledger.tried, (self.tenant, key))
            if not (self.event(key) if self.random.random() < 0.2 else self.start_instance(key)):
                return
            time.sleep(self.pause_s)

    def insist(self, method, path, body, headers, good, unknown_for=0.0):
        """The answer with a good status; None, with a finding, where it is a wrong one or none comes in time, or it is
        404 for longer than `unknown_for` seconds."""
        began = time.monotonic()
        what = f"{method} {path} {dict(headers)}"
        while time.monotonic() - began < ANSWERED_WITHIN_S:
            node = self.random.choice(self.nodes)
            status, answered, answer = ask(node, self.token, method, path, body, headers)
            if status in good:
                self.ledger.note(self.ledger.waits, time.monotonic() - began)
                return answer
            if status == 404 and time.monotonic() - began < unknown_for:
                time.sleep(RETRY_S)
                continue
            if status not in (0, 503):
                return self.fail(f"{what} was answered {status} by {node.name}: {answer}")
            if status == 503 and not (answered.get("Retry-After") or "").isdigit():
                return self.fail(f"{what} was answered 503 without Retry-After by {node.name}: {answer}")
            time.sleep(RETRY_S)
        return self.fail(f"{what} was not acknowledged within {ANSWERED_WITHIN_S} s; last: {status} {answer}")

    def fail(self, finding):
        self.ledger.note(self.ledger.findings, finding)

    def start_instance(self, key):
        name = "call" if self.random.random() < 0.6 else "plain"
        answer = self.insist("POST", f"/v1/tenants/{self.tenant}/workflows/faults/{name}/instances",
                             json.dumps({"key": key}).encode(), {"Idempotency-Key": key}, (200, 201))
        if answer is None:
            return False
        self.ledger.note(self.ledger.acks, Ack(self.label, "start", self.tenant, key, answer["id"]))
        if self.random.random() > 0.3:
            return True
        # Through every node: who says what the answer must know gets that. Who does not is answered by the owner, and for
        # a moment by one that was (docs/decisions/0070).
        read = f"/v1/tenants/{self.tenant}/instances/{answer['id']}"
        if self.random.random() < 0.5:
            return self.insist("GET", f"{read}?min_position={quote(answer['position'])}", None, {}, (200,)) is not None
        return self.insist("GET", read, None, {}, (200,), unknown_for=UNKNOWN_FOR_S) is not None

    def event(self, key):
        event = {"specversion": "1.0", "id": key, "source": "/faults", "type": "faults.sent", "data": {"key": key}}
        answer = self.insist("POST", f"/v1/tenants/{self.tenant}/events", json.dumps(event).encode(),
                             {"Content-Type": "application/cloudevents+json"}, (200, 202))
        if answer is not None:
            self.ledger.note(self.ledger.acks, Ack(self.label, "event", self.tenant, key, ""))
        return answer is not None
