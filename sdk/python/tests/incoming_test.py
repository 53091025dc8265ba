"""Answers that come in parts, in a FakeHost."""

import unittest

from travertine_plugin import Failure, Plugin
from travertine_plugin.testing import Answer, Cancel, FakeHost, NoAnswer

plugin = Plugin()


@plugin.operation("read")
def read(call):
    with call.http_in_parts("GET", "/big", headers={"X-A": "b"}) as answer:
        sizes = [len(part) for part in answer]
        return [answer.status, answer.header("x-c"), sum(sizes), max(sizes, default=0)]


@plugin.operation("read-later")
async def read_later(call):
    async with call.http_in_parts("GET", "/big", timeout=5) as answer:
        answer.raise_for_status()
        body = b"".join([part async for part in answer])
        return [answer.status, len(body), body[:9].decode()]


@plugin.operation("first")
def first(call):
    with call.http_in_parts("GET", "/big") as answer:
        for part in answer:
            return part.decode()


@plugin.operation("first-later")
async def first_later(call):
    async with call.http_in_parts("GET", "/big") as answer:
        async for part in answer:
            return len(part)


@plugin.operation("two")
async def two(call):
    async with call.http_in_parts("GET", "/a") as a, call.http_in_parts("GET", "/b") as b:
        return [part.decode() async for part in b] + [part.decode() async for part in a]


class IncomingTest(unittest.TestCase):
    def setUp(self):
        self.host = FakeHost(plugin)
        self.addCleanup(self.host.end)

    def test_an_answer_comes_in_parts(self):
        for operation in ("read", "read-later"):
            self.assertEqual(self.host.call(operation, http=[Answer(body="abc", headers={"X-C": "d"})])[0], 200)
        self.assertTrue(self.host.requests[0].in_parts)
        self.assertEqual(self.host.requests[0].headers["X-A"], "b")
        self.assertEqual(self.host.requests[1].timeout_ms, 5000)
        self.assertEqual(self.host.call("read", http=[Answer()]), [200, None, 0, 0])

    def test_what_is_read_is_taken(self):
        whole = Answer(parts=[b"x" * 1_000_000] * 5)
        self.assertEqual(self.host.call("read-later", http=[whole])[1], 5_000_000)
        status, _, count, largest = self.host.call("read", http=[whole])
        self.assertEqual(count, 5_000_000)
        self.assertLessEqual(largest, 262_144)

    def test_what_is_left_early_is_dropped(self):
        self.assertEqual(self.host.call("first", http=[Answer(parts=[b"a" * 5, b"b" * 900_000])])[:5], "aaaaa")
        self.assertTrue(self.host.requests[0].dropped)
        self.assertGreater(self.host.call("first-later", http=[Answer(parts=[b"b" * 900_000])]), 0)
        self.assertTrue(self.host.requests[1].dropped)
        self.assertEqual(self.host.call("first", http=[Answer(body="whole")]), "whole")
        self.assertFalse(self.host.requests[2].dropped)

    def test_an_answer_that_breaks_is_a_failure(self):
        for operation in ("read", "read-later"):
            with self.assertRaisesRegex(Failure, "^GET /big: it broke$") as raised:
                self.host.call(operation, http=[Answer(parts=[b"a"], breaks=NoAnswer(message="it broke"))])
            self.assertEqual(raised.exception.code, "unavailable")
            self.assertTrue(raised.exception.may_retry)
            with self.assertRaisesRegex(Failure, "^GET /big: no$"):
                self.host.call(operation, http=[NoAnswer(message="no")])
        with self.assertRaises(Failure) as raised:
            self.host.call("read-later", http=[Answer(503, headers={"Retry-After": "7"})])
        self.assertEqual((raised.exception.status, raised.exception.retry_after), (503, 7))

    def test_two_do_not_mix(self):
        answers = {"/a": Answer(body="of a"), "/b": Answer(body="of b")}
        self.assertEqual(self.host.call("two", http=lambda request: answers[request.path]), ["of b", "of a"])

    def test_a_cancelled_call_ends(self):
        for operation in ("read", "read-later"):
            with self.assertRaises(Failure) as raised:
                self.host.call(operation, http=[Cancel()])
            self.assertEqual(raised.exception.code, "cancelled")


if __name__ == "__main__":
    unittest.main()
