"""HTTP that a plugin serves: what a function is given, and what becomes of what it returns."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from travertine_plugin import Failure, Plugin, WebResponse  # noqa: E402
from travertine_plugin.testing import Answer, FakeHost  # noqa: E402

plain = Plugin()
in_turns = Plugin()
silent = Plugin()


@plain.serve
def serve(call):
    request = call.request
    if request.path == "/who":
        return [request.method, request.raw_path, request.query, request.parameters, request.header("Accept"),
                request.principal, request.principal_name, request.role, call.tenant, call.operation]
    if request.path == "/kept":
        call.kv.put("last", request.json())
        return WebResponse(201, "kept", {"ETag": '"1"'})
    if request.path == "/fetched":
        return call.http("GET", "/x").body
    if request.path == "/defect":
        raise KeyError("missing")
    given = {"/none": None, "/text": "å", "/bytes": b"\xff", "/false": WebResponse(json=False), "/list": [],
             "/large": b"x" * 1_000_001, "/odd": WebResponse(200, 7), "/half": "\ud800", "/date": {"due": object()},
             "/typed": WebResponse(200, "<p>", {"content-type": "text/html"})}
    if request.path not in given:
        raise Failure("there is no such thing", "not_found")
    return given[request.path]


@in_turns.serve
async def serve_in_turns(call):
    answer = await call.http("GET", call.request.path)
    return WebResponse(answer.status, answer.text)


class WebTest(unittest.TestCase):
    def host(self, plugin):
        host = FakeHost(plugin)
        self.addCleanup(host.end)
        return host

    def test_a_request_arrives_whole(self):
        answer = self.host(plain).serve("GET", "/wh%6F", query="a=1&b=%20&a=2", headers={"Accept": "x"}, role="viewer",
                                        principal_name="Ada", tenant="initech")
        self.assertEqual(answer.json(), ["GET", "/wh%6F", "a=1&b=%20&a=2", {"a": "1", "b": " "}, "x", "token:test", "Ada",
                                         "viewer", "initech", ""])
        self.assertEqual((answer.status, answer.headers), (200, {"content-type": "application/json"}))

    def test_what_is_returned_is_the_response(self):
        host = self.host(plain)
        for path, status, kind, body in (("/none", 204, None, b""), ("/text", 200, "text/plain; charset=utf-8", "å".encode()),
                                         ("/bytes", 200, "application/octet-stream", b"\xff"),
                                         ("/false", 200, "application/json", b"false"),
                                         ("/list", 200, "application/json", b"[]"), ("/typed", 200, "text/html", b"<p>")):
            with self.subTest(path):
                answer = host.serve("GET", path)
                self.assertEqual((answer.status, answer.headers.get("content-type"), answer.body), (status, kind, body))

    def test_what_cannot_be_sent_fails_and_says_why(self):
        host = self.host(plain)
        for path, code, says in (("/large", "internal", "1000001 bytes; at most 1000000"), ("/odd", "internal", "is a int"),
                                 ("/half", "internal", "half a character"), ("/date", "internal", "the response['due']"),
                                 ("/defect", "internal", "KeyError: 'missing'"), ("/x", "not_found", "no such thing")):
            with self.subTest(path), self.assertRaises(Failure) as raised:
                host.serve("GET", path)
            self.assertEqual(raised.exception.code, code)
            self.assertIn(says, raised.exception.message)

    def test_a_request_may_ask_the_host_as_an_operation_does(self):
        host = self.host(plain)
        answer = host.serve("PUT", "/kept", body='{"n": 1}')
        self.assertEqual((answer.status, answer.headers["etag"], answer.body), (201, '"1"', b"kept"))
        self.assertEqual(host.store.values(), {"last": {"n": 1}})
        self.assertEqual(host.serve("GET", "/fetched", http=[Answer(200, b"there")]).body, b"there")
        with self.assertRaises(Failure) as raised:
            host.serve("PUT", "/kept", body="{")
        self.assertEqual(raised.exception.code, "invalid")

    def test_an_async_function_serves_too(self):
        self.assertEqual(self.host(in_turns).serve("GET", "/x", http=[Answer(404, b"not there")]).status, 404)

    def test_a_plugin_that_serves_nothing_says_so(self):
        with self.assertRaises(Failure) as raised:
            self.host(silent).serve("GET", "/")
        self.assertEqual(raised.exception.code, "not_found")

    def test_one_function_serves(self):
        with self.assertRaises(ValueError):
            plain.serve(serve)


if __name__ == "__main__":
    unittest.main()
