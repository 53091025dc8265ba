"""What authors rely on, in a FakeHost: outcomes of calls, requests, logs."""

import gc
import unittest

from plugin_under_test import plugin
from travertine_plugin import Failure, Plugin, Refused
from travertine_plugin.testing import Answer, Cancel, Event, FakeHost, NoAnswer, Signed


def counter():
    plugin = Plugin()
    kept = {"count": 0}

    @plugin.operation("count")
    def count(call):
        kept["count"] += 1
        return kept["count"]

    @plugin.on_save
    def save():
        if kept["count"] > 2:
            raise Refused("too many")
        return str(kept["count"])

    @plugin.on_restore
    def restore(version, state):
        if version == "9.0.0":
            raise Refused("it is from the future")
        kept["count"] = int(state)

    @plugin.on_check
    async def check():
        if kept["count"] == 13:
            raise Refused("it is unlucky")

    return plugin


class ProgressTest(unittest.TestCase):
    def test_how_far_a_call_is_can_be_said(self):
        plugin = Plugin()

        @plugin.operation("copy")
        def copy(call):
            call.count("pages", 2, kind="x")
            call.observe("seconds", 0.25)
            call.progress(0.5, "half")
            call.stream("word by ")
            call.stream("word")
            call.progress(text="å" * 300)
            call.progress(2)

        with FakeHost(plugin) as host:
            with self.assertRaisesRegex(Failure, "^ValueError: progress: fraction is 2"):
                host.call("copy")
            self.assertEqual(host.measured, [("counter", "pages", 2, {"kind": "x"}), ("histogram", "seconds", 0.25, {})])
            self.assertEqual(host.progress[0], (0.5, "half"))
            self.assertEqual(host.streamed, "word by word")
            self.assertIsNone(host.progress[1][0])


class SpanTest(unittest.TestCase):
    def test_parts_of_a_call_have_names_and_end(self):
        plugin = Plugin()

        @plugin.operation("copy")
        def copy(call):
            with call.span("copy", pages=2) as copying:
                with copying.span("å" * 300):
                    raise Failure("no")

        @plugin.operation("copy-later")
        async def copy_later(call):
            reading = call.span("read")
            reading.end()
            reading.end()

        with FakeHost(plugin) as host:
            with self.assertRaisesRegex(Failure, "^no$"):
                host.call("copy")
            self.assertEqual(host.spans[0], ("copy", 0, {"pages": "2"}))
            self.assertEqual(host.spans[1][1:], (1, {}))
            self.assertLessEqual(len(host.spans[1][0].encode()), 64)
            self.assertEqual(host.spans_ended, [2, 1])
            host.call("copy-later")
            self.assertEqual(host.spans[2], ("read", 0, {}))
            self.assertEqual(host.spans_ended, [2, 1, 1])


class StateTest(unittest.TestCase):
    def refusal(self, *state):
        with self.assertRaises(Refused) as raised:
            FakeHost(counter(), state=state)
        return str(raised.exception)

    def test_what_the_plugin_keeps_in_memory_is_handed_over(self):
        with FakeHost(counter()) as old:
            old.call("count")
            state = old.save()
            with FakeHost(counter(), state=("1.0.0", state)) as new:
                self.assertEqual(new.call("count"), 2)

    def test_a_state_that_is_not_taken_says_why(self):
        self.assertEqual(self.refusal("9.0.0", "1"),
                         "plugin 'test' 0.0.0 does not take the state that 9.0.0 saved: it is from the future")
        self.assertEqual(self.refusal("1.0.0", "13"), "plugin 'test' 0.0.0 is not well: it is unlucky")
        self.assertEqual(self.refusal("1.0.0", "x"),
                         "ValueError: invalid literal for int() with base 10: b'x', while it began")

    def test_a_state_that_is_not_saved_says_why(self):
        with FakeHost(counter()) as host:
            for _ in range(3):
                host.call("count")
            with self.assertRaisesRegex(Refused, "^too many$"):
                host.save()
        with FakeHost(Plugin()) as host:
            with self.assertRaisesRegex(Refused, "^it has no on_save$"):
                host.save()


class HostTest(unittest.TestCase):
    def setUp(self):
        self.host = FakeHost(plugin, {"url": "x"})
        self.addCleanup(self.host.end)

    def failure(self, *arguments, **more):
        with self.assertRaises(Failure) as raised:
            self.host.call(*arguments, **more)
        return raised.exception

    def logged(self):
        return [line.message for line in self.host.logs]

    def test_what_an_operation_returns_is_the_output(self):
        for operation in ("echo", "echo-async"):
            for value in ({"title": "å\n", "n": [1, 2.5, None, True]}, "text", 0, [], {"input": {"a": 1}}):
                self.assertEqual(self.host.call(operation, value), value)

    def test_a_call_knows_who_calls(self):
        self.assertEqual(self.host.call("describe", tenant="initech", connection="c", idempotency_key="k", attempt=2),
                         ["describe", "initech", "c", "k", 2, {"url": "x"}, True, False])

    def test_a_failure_arrives_with_all_that_it_says(self):
        failure = self.failure("fail")
        self.assertEqual((failure.message, failure.code, failure.may_retry, failure.retry_after, failure.status,
                          failure.detail), ("slow down", "exhausted", True, 1.5, 429, {"at": 7}))

    def test_an_exception_is_a_failure_with_its_type_and_its_traceback_is_in_the_log(self):
        for operation in ("defect", "defect-async"):
            self.host.logs.clear()
            failure = self.failure(operation)
            self.assertEqual((failure.code, failure.message), ("internal", "KeyError: 'missing'"))
            self.assertEqual(self.logged()[0], "Traceback (most recent call last):")
            self.assertIn("plugin_under_test.py", self.logged()[1])
            self.assertEqual(self.logged()[-1], "KeyError: 'missing'")
            self.assertEqual({line.level for line in self.host.logs}, {"error"})

    def test_no_way_out_of_an_operation_ends_the_program(self):
        self.assertEqual(self.failure("stop").message, "RuntimeError: StopIteration")
        for operation in ("exit", "exit-async"):
            self.assertEqual(self.failure(operation).message,
                             f"operation '{operation}' called exit(3); raise Failure to fail a call")
        self.assertEqual(self.host.call("echo", 1), 1)

    def test_an_operation_that_is_not_there_is_named_with_those_that_are(self):
        failure = self.failure("ecko")
        self.assertEqual(failure.code, "not_found")
        self.assertRegex(failure.message, "^the program has no operation 'ecko'; it has: block, .*echo, ")

    def test_an_output_that_is_not_json_says_which_operation_and_where(self):
        for what, says in (("date", "output['due'][1] is a date, which JSON does not have"),
                           ("key", "output has the key 1; the keys of JSON are texts"),
                           ("nan", "output[0] is nan, which JSON does not have"),
                           ("huge", "output is an integer beyond 2^1023, which JSON does not have"),
                           ("half", "output['text'] has half a character at 0, which UTF-8 cannot write"),
                           ("bytes", "output is a bytes, which JSON does not have")):
            with self.subTest(what):
                self.assertEqual(self.failure("return", what).message,
                                 f"operation 'return' returned what is not JSON: {says}")
        self.assertRegex(self.failure("return", "itself").message, "nested more than 256 levels deep$")
        large = self.failure("return", "large")
        self.assertEqual(large.code, "too_large")
        self.assertIn("'return' returned 1000002 bytes of JSON", large.message)

    def test_lines_of_logging_are_lines_of_the_host(self):
        gc.collect()  # what other tests left says so in the log, before this call ends
        self.host.call("count")
        self.host.logs.clear()
        self.host.call("log")
        self.assertEqual([(line.level, line.message[:6]) for line in self.host.logs],
                         [("warning", "first"), ("warning", "second"), ("error", "xxxxxx")])
        self.assertEqual(len(self.host.logs[-1].message), 4_000)

    def test_a_call_finds_what_an_earlier_call_kept(self):
        self.assertEqual([self.host.call("count"), self.host.call("count")], [1, 2])
        self.assertEqual(self.host.call("count", tenant="initech"), 1)
        self.assertEqual(self.host.store.values(), {"count": 2})

    def test_a_store_that_refuses_fails_the_call(self):
        self.host.store.fail_with("exhausted", "the store is full")
        failure = self.failure("count")
        self.assertEqual((failure.code, failure.message), ("exhausted", "the store's get 'count': the store is full"))

    def test_keys_are_listed_page_by_page(self):
        for key in ("item/3", "item/1", "other", "item/2"):
            self.host.store.put(key, None)
        self.assertEqual(self.host.call("pages"), ["item/1", "item/2", "item/3"])
        self.assertEqual(sorted(self.host.store.values()), ["item/2", "item/3", "other"])

    def test_a_call_has_bytes_signed_by_a_secret_that_it_never_sees(self):
        self.assertEqual(self.host.call("sign", "text"), "signed")
        self.assertEqual(self.host.signed, [Signed("vault", "ed25519", b"text")])

    def test_a_call_emits_events_whose_ids_are_the_same_when_it_is_made_again(self):
        ids = ["acme/instance/task/1/1", "acme/instance/task/1/2"]
        self.assertEqual([self.host.call("tell", [1]), self.host.call("tell", [1])], [ids, ids])
        self.assertEqual(self.host.events[:2], [Event(ids[0], "com.sample.reported", [1], "first"),
                                                Event(ids[1], "com.sample.reported")])

    def test_what_cannot_be_kept_is_named(self):
        for what, says in (("key", "ValueError: kv: key is 'a\\nb'; it has at most 256 bytes and no control characters"),
                           ("large", "ValueError: kv: the value of 'a' has 65538 bytes of JSON; at most 65536 are kept"),
                           ("set", "travertine_plugin.json_text.NotJson: value is a set, which JSON does not have")):
            self.assertEqual(self.failure("misuse-store", what).message, says)

    def test_a_request_is_answered_by_the_test(self):
        answers = [Answer(200, json={"a": 1}, headers={"X": "y"})]
        self.assertEqual(self.host.call("fetch", {"path": "/x?y=z"}, http=answers),
                         {"status": 200, "type": "application/json", "json": {"a": 1}})
        request = self.host.requests[0]
        self.assertEqual((request.method, request.path, request.connection, request.headers, request.timeout_ms),
                         ("GET", "/x?y=z", "api", {"X-A": "1"}, 2500))

    def test_requests_are_on_their_way_together(self):
        bodies = self.host.call("post-async", connection="tracker", http=lambda request: Answer(201, request.path))
        self.assertEqual(bodies, ["/a", "/b"])
        self.assertEqual([(request.method, request.body) for request in self.host.requests],
                         [("POST", b'{"n":1}'), ("PUT", b"\xff")])
        self.assertEqual(self.host.requests[0].json(), {"n": 1})
        self.assertEqual({request.connection for request in self.host.requests}, {"tracker"})

    def test_a_status_is_a_failure_that_may_be_retried_where_that_is_safe(self):
        for status, headers, code, may_retry, retry_after in (
                (404, {}, "not_found", False, 0), (429, {"Retry-After": "7"}, "exhausted", True, 7),
                (503, {"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"},
                 "unavailable", True, 10),
                (503, {"Retry-After": "soon"}, "unavailable", True, 0), (400, {}, "invalid", False, 0)):
            with self.subTest(status):
                failure = self.failure("fetch", {"path": "/x"}, http=[Answer(status, headers=headers)])
                self.assertEqual((failure.code, failure.status, failure.may_retry, failure.retry_after),
                                 (code, status, may_retry, retry_after))
                self.assertEqual(failure.message, f"GET /x was answered with {status}")

    def test_what_comes_instead_of_an_answer_says_what_was_asked(self):
        failure = self.failure("fetch", {"path": "/x"}, http=[NoAnswer("denied", "no connection 'api'")])
        self.assertEqual((failure.code, failure.message), ("denied", "GET /x: no connection 'api'"))
        self.assertIn("the test gives no answer to GET /x", self.failure("fetch", {"path": "/x"}).message)
        failure = self.failure("fetch", {"path": "/x"}, http=[Answer(200, "<html>")])
        self.assertRegex(failure.message, "^GET /x was answered with 200 and what is not JSON: ")
        self.assertRegex(self.failure("misuse").message, "^ValueError: http: the path is 'no-slash'; it begins with")

    def test_a_cancelled_call_ends_where_it_waits(self):
        for operation in ("fetch", "post-async"):
            self.assertEqual(self.failure(operation, {"path": "/x"}, http=[Cancel(), Cancel()]).code, "cancelled")
        self.assertEqual(self.host.call("echo", 1), 1)

    def test_an_exception_of_the_test_s_service_is_the_test_s(self):
        with self.assertRaises(ZeroDivisionError):
            self.host.call("fetch", {"path": "/x"}, http=lambda request: 1 / 0)

    def test_a_configuration_can_be_refused(self):
        with self.assertRaisesRegex(Refused, "the word 'refuse' is configured"):
            FakeHost(plugin, {"refuse": 1})
        with self.assertRaisesRegex(Refused, "KeyError: 'url', while it began"):
            FakeHost(plugin, {"defect": 1})

    def test_a_mistake_in_a_declaration_is_named(self):
        other = Plugin()
        with self.assertRaisesRegex(TypeError, r'write @plugin.operation\("name"\)'):
            other.operation(lambda call: None)
        other.operation("a")(lambda call: None)
        with self.assertRaisesRegex(ValueError, "operation 'a' is declared twice"):
            other.operation("a")
        with self.assertRaisesRegex(ValueError, "code 'nope' is not one of invalid, "):
            Failure("x", "nope")


if __name__ == "__main__":
    unittest.main()
