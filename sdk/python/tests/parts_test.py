"""Answers in parts: what a generator gives goes out as it comes, and as fast as it is taken."""

import asyncio
import base64
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from travertine_plugin import Failure, Plugin, WebResponse  # noqa: E402
from travertine_plugin.session import Session  # noqa: E402
from travertine_plugin.testing import FakeHost  # noqa: E402

plain = Plugin()
in_turns = Plugin()
closed = []


def lines(call):
    try:
        for number in range(1, 4):
            call.kv.put("line", number)
            yield f"line {number}\n"
    finally:
        closed.append(call.request.path)


def failing():
    yield b"a"
    raise Failure("it went wrong", "unavailable")


@plain.serve
def serve(call):
    return {"/lines": lambda: WebResponse(201, headers={"ETag": '"1"'}, parts=lines(call)),
            "/list": lambda: WebResponse(parts=["å", b"\xff", b""]),
            "/large": lambda: WebResponse(parts=(b"x" * 100_000 for _ in range(30))),
            "/fails": lambda: WebResponse(parts=failing()),
            "/odd": lambda: WebResponse(parts=[7]),
            "/both": lambda: WebResponse(body="a", parts=["b"])}[call.request.path]()


@in_turns.serve
async def serve_in_turns(call):
    async def given():
        try:
            for number in range(1, 4):
                await call.kv.put("line", number)
                yield f"line {number}\n"
                if call.request.path == "/large":
                    yield b"x" * 1_000_000
        finally:
            closed.append(call.request.path)

    return WebResponse(parts=["a", "b"] if call.request.path == "/list" else given())


class PartsTest(unittest.TestCase):
    def host(self, plugin):
        closed.clear()
        host = FakeHost(plugin)
        self.addCleanup(host.end)
        return host

    def test_each_part_is_sent_as_it_comes(self):
        for plugin, status in ((plain, 201), (in_turns, 200)):
            served = self.host(plugin).serve("GET", "/lines")
            self.assertEqual(served.status, status)
            self.assertEqual(served.parts, [b"line 1\n", b"line 2\n", b"line 3\n"])
            self.assertEqual(served.body, b"line 1\nline 2\nline 3\n")
            self.assertEqual(closed, ["/lines"])
        self.assertEqual(self.host(plain).serve("GET", "/list").body, "å".encode() + b"\xff")
        self.assertEqual(self.host(in_turns).serve("GET", "/list").body, b"ab")

    def test_large_parts_are_split(self):
        for plugin, size in ((plain, 3_000_000), (in_turns, 3_000_021)):
            served = self.host(plugin).serve("GET", "/large")
            self.assertEqual(len(served.body), size)
            self.assertLessEqual(max(len(part) for part in served.parts), 65_536)

    def test_what_fails_midway_is_not_whole(self):
        host = self.host(plain)
        for path, says in (("/fails", "it went wrong"), ("/odd", "a part of the response is a int"),
                           ("/both", "either a body or parts")):
            with self.assertRaisesRegex(Failure, says):
                host.serve("GET", path)
        self.assertEqual(host.sent_parts, [b"a"])

    def test_a_client_that_takes_nothing_holds_up_the_generator_until_it_goes(self):
        for plugin in (plain, in_turns):
            closed.clear()
            asyncio.run(self.held_up(plugin))

    async def held_up(self, plugin):
        sent = []
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def send(name, body):
            sent.append((name, body))
            loop.call_soon_threadsafe(changed.set)

        async def until(holds):
            while not holds():
                await asyncio.wait_for(changed.wait(), 30)
                changed.clear()

        def written():
            return sum(len(base64.b64decode(body["base64"])) for name, body in sent if name == "write")

        session = Session(plugin, send)
        session.take("begin", {"plugin": "p", "version": "1.0.0"})
        await until(lambda: sent)
        session.take("serve", {"call": 7, "method": "GET", "path": "/large", "tenant": "acme"})
        if plugin is in_turns:
            def asked():
                return [body["request"] for name, body in sent if name == "store_request"]
            await until(asked)
            session.take("store_answer", {"request": asked()[0], "entries": [{"key": "line", "revision": 1}]})
        await until(lambda: written() == 262_144)
        stream = next(body["stream"] for name, body in sent if name == "write")
        session.take("room", {"stream": stream, "bytes": 10})
        await until(lambda: written() == 262_154)
        session.take("stream_ended", {"stream": stream, "code": "cancelled", "message": "the client has gone"})
        session.take("cancel", {"call": 7})
        await until(lambda: any(name == "failed" for name, _ in sent))
        self.assertEqual([body["code"] for name, body in sent if name == "failed"], ["cancelled"])
        self.assertFalse(any(name == "end_stream" for name, _ in sent))
        await session.settle()
        if plugin is in_turns:
            self.assertEqual(closed, ["/large"])


if __name__ == "__main__":
    unittest.main()
