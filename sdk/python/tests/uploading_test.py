"""Bodies in parts: what a generator gives is sent as the service takes it, and what a client sends is read as it comes."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from travertine_plugin import Failure, Plugin, WebResponse  # noqa: E402
from travertine_plugin.testing import Answer, FakeHost, NoAnswer  # noqa: E402

plain = Plugin()
in_turns = Plugin()
taken = []


def pieces(count):
    try:
        for number in range(count):
            taken.append(number)
            yield b"x" * 100_000
    finally:
        taken.append("closed")


async def later(count):
    for piece in pieces(count):
        yield piece


@plain.operation("send")
def send(call):
    answer = call.http("PUT", "/file", parts=pieces(call.input["count"]), length=call.input.get("length"))
    return {"status": answer.status, "text": answer.text}


@plain.operation("send-for-parts")
def send_for_parts(call):
    with call.http_in_parts("PUT", "/file", parts=["a", b"b"]) as answer:
        return {"status": answer.status, "text": b"".join(answer).decode()}


@plain.operation("fails")
def fails(call):
    def given():
        yield b"a"
        raise Failure("it went wrong", "conflict")
    return call.http("PUT", "/file", parts=given()).status


@in_turns.operation("send")
async def send_in_turns(call):
    answer = await call.http("PUT", "/file", parts=later(call.input["count"]), length=call.input.get("length"))
    return {"status": answer.status, "text": answer.text}


@in_turns.operation("send-for-parts")
async def send_for_parts_in_turns(call):
    async with call.http_in_parts("PUT", "/file", parts=["a", b"b"]) as answer:
        return {"status": answer.status, "text": b"".join([part async for part in answer]).decode()}


@plain.serve
def serve(call):
    if call.request.path == "/pass":
        answer = call.http("POST", "/file", parts=call.read_body())
        return WebResponse(answer.status, answer.text)
    if call.request.path == "/first":
        return WebResponse(413, next(iter(call.read_body())))
    return str(sum(len(part) for part in call.read_body()))


@in_turns.serve
async def serve_in_turns(call):
    if call.request.path == "/pass":
        answer = await call.http("POST", "/file", parts=call.read_body())
        return WebResponse(answer.status, answer.text)
    count = 0
    async for part in call.read_body():
        count += len(part)
        if call.request.path == "/first":
            return WebResponse(413, part)
    return str(count)


class UploadingTest(unittest.TestCase):
    def host(self, plugin):
        taken.clear()
        host = FakeHost(plugin)
        self.addCleanup(host.end)
        return host

    def test_what_is_iterated_is_the_body(self):
        for plugin in (plain, in_turns):
            for length in (None, 3_000_000):
                host = self.host(plugin)
                given = {"count": 30, **({"length": length} if length else {})}
                self.assertEqual(host.call("send", given, http=[Answer(201, "taken")]), {"status": 201, "text": "taken"})
                self.assertEqual(host.requests[0].body, b"x" * 3_000_000)
                self.assertEqual(taken[-1], "closed")
            self.assertEqual(host.call("send-for-parts", http=[Answer(200, parts=[b"c", b"d"])]),
                             {"status": 200, "text": "cd"})
            self.assertEqual(host.requests[1].body, b"ab")

    def test_a_service_that_answers_early_ends_the_iteration_and_its_answer_is_given(self):
        for plugin in (plain, in_turns):
            host = self.host(plugin)
            host.answer_early()
            self.assertEqual(host.call("send", {"count": 1_000}, http=[Answer(413, "big")]), {"status": 413, "text": "big"})
            self.assertLess(len(taken), 20)
            self.assertEqual(taken[-1], "closed")

    def test_what_the_iteration_raises_fails_the_call(self):
        with self.assertRaisesRegex(Failure, "it went wrong"):
            self.host(plain).call("fails")

    def test_a_body_is_read_as_it_comes(self):
        for plugin in (plain, in_turns):
            host = self.host(plugin)
            self.assertEqual(host.serve("POST", "/", parts=[b"x" * 1_000_000, b"y"]).body, b"1000001")
            self.assertEqual(host.serve("POST", "/", body=b"whole").body, b"5")
            self.assertEqual(host.serve("POST", "/").body, b"0")
            first = host.serve("POST", "/first", parts=[b"x" * 65_536] * 10)
            self.assertEqual(first.status, 413)
            self.assertLess(len(first.body), 300_000)
            with self.assertRaisesRegex(Failure, "the body of the request: the client has gone"):
                host.serve("POST", "/", parts=[b"x"], breaks=NoAnswer("unavailable", "the client has gone"))

    def test_a_body_goes_on_to_a_service_while_it_comes(self):
        for plugin in (plain, in_turns):
            host = self.host(plugin)
            served = host.serve("POST", "/pass", parts=[b"x" * 1_000_000], http=[Answer(201, "stored")])
            self.assertEqual((served.status, served.body), (201, b"stored"))
            self.assertEqual(host.requests[0].body, b"x" * 1_000_000)

    def test_what_cannot_be_sent_is_said_at_once(self):
        host = self.host(plain)
        for arguments, says in (({"parts": ["a"], "body": "b"}, "one alone"), ({"length": 3}, "given with parts")):
            odd = Plugin()
            odd.operation("odd")(lambda call: call.http("PUT", "/", **arguments).status)
            with self.assertRaisesRegex(Failure, says):
                self.host(odd).call("odd")
        host.end()


if __name__ == "__main__":
    unittest.main()
