#!/usr/bin/python3
"""The plugin through travd, in a process of its own behind its walls, against the stand-in of three dialects.

    plugin_test.py BUILD [unittest arguments]

Where the official clients are on the path (official_clients.sh), every request that the plugin made is held against their types."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import mind
from stand_in import StandIn

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "plugins"))
from host import Host  # noqa: E402

BUILD = pathlib.Path()
SCHEMA = {"type": "object", "required": ["kind"], "additionalProperties": False,
          "properties": {"kind": {"enum": ["question", "bug"]}}}
WEATHER = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
DIALECTS = ("openai", "anthropic", "ollama")
WARM = {"openai": {"temperature": 0.5, "top_p": 0.5, "seed": 1}, "anthropic": {}, "ollama": {"temperature": 0.5, "top_p": 0.5, "seed": 1}}


class Plugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandIn().begin()
        cls.folder = tempfile.TemporaryDirectory()
        cls.host = Host(BUILD, pathlib.Path(cls.folder.name), KEY_OPENAI="openai-key", KEY_ANTHROPIC="anthropic-key")
        try:
            cls.host.install("models")
            for name, auth in (("openai", ["--auth", "bearer", "--secret-env", "KEY_OPENAI"]),
                               ("anthropic", ["--auth", "header", "--header", "x-api-key", "--secret-env", "KEY_ANTHROPIC"]),
                               ("ollama", [])):
                cls.host.connect(name, "models", cls.server.urls[name], *auth)
        except BaseException:
            cls.host.end()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.host.end()
        cls.folder.cleanup()
        cls.server.shutdown()
        cls.server.server_close()

    def run_to_end(self, connection, operation, given):
        return self.host.ended(self.host.start("models", connection, operation, given))

    def ask(self, connection, text="Hi there", model="m", **more):
        return self.run_to_end(connection, "chat", {"model": model, "messages": [{"role": "user", "content": text}], **more})

    def output(self, instance):
        self.assertEqual(instance["status"], "completed", instance)
        return instance["output"]

    def test_a_chat_has_one_shape(self):
        for name in DIALECTS:
            with self.subTest(name):
                output = self.output(self.ask(name, max_tokens=50, **WARM[name]))
                self.assertEqual(output["message"], {"role": "assistant", "content": "You said: Hi there"})
                self.assertEqual((output["provider"], output["stop"]), (name, "end"))
                self.assertEqual((output["usage"]["input_tokens"], output["usage"]["output_tokens"]), (12, 4))

    def test_tools_are_called_and_their_results_used(self):
        for name in DIALECTS:
            with self.subTest(name):
                output = self.output(self.ask(name, "Rome", tools=[WEATHER]))
                self.assertEqual(output["stop"], "tool_calls")
                call = output["message"]["tool_calls"][0]
                self.assertEqual((call["name"], call["arguments"]), ("weather", {"city": "Rome"}))
                messages = [{"role": "user", "content": "Rome"}, output["message"],
                            {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
                output = self.output(self.run_to_end(name, "chat", {"model": "m", "messages": messages, "tools": [WEATHER]}))
                self.assertEqual(output["message"]["content"], "The tools said: sunny")

    def test_json_of_a_schema_comes(self):
        for name in DIALECTS:
            with self.subTest(name):
                output = self.output(self.ask(name, "This is a bug.", output={"schema": SCHEMA}))
                self.assertEqual(output["output"], {"kind": "bug"})

    def test_vectors_come(self):
        for name in ("openai", "ollama"):
            with self.subTest(name):
                output = self.output(self.run_to_end(name, "embed", {"model": "e", "input": ["a", "b"], "dimensions": 4}))
                self.assertEqual(output["embeddings"], [mind.vector_of("a", 4), mind.vector_of("b", 4)])

    def test_the_cost_is_known_where_the_price_is(self):
        output = self.output(self.ask("openai", model="gpt-4.1"))
        # 8 tokens at 2, 4 from the cache at 0.5 and 4 at 8 USD per million.
        self.assertEqual(output["cost"], {"currency": "USD", "amount": 50e-6, "prices_as_of": "2026-11-05"})

    def test_failures_are_errors_of_the_workflow_and_half_an_answer_is_never_taken_for_a_whole_one(self):
        # All at once: the kernel tries again, after a pause, what may be tried again.
        expected = {}
        for name in DIALECTS:
            for model, status in (("missing", 404), ("broken", 500), ("overloaded", 529 if name == "anthropic" else 503),
                                  ("slow-down", 429), ("cut", None), ("torn", None), ("trips", None)):
                given = {"model": model, "messages": [{"role": "user", "content": "one two three"}]}
                expected[name, model] = (self.host.start("models", name, "chat", given), status)
        for (name, model), (instance, status) in expected.items():
            with self.subTest(name, model=model):
                shown = self.host.ended(instance)
                self.assertEqual(shown["status"], "faulted", shown)
                if status is not None:
                    self.assertEqual(shown["error"]["status"], status, shown["error"])

    def test_the_plugin_is_isolated(self):
        self.output(self.ask("openai"))
        log = (self.host.folder / "log").read_text() + self.host.out.read_text()
        if "without walls" in log:
            self.skipTest("this host gives its users no namespaces")
        children = subprocess.run(["ps", "-e", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        self.assertIn("trav-plugin-host", children)
        maps = pathlib.Path(f"/proc/{self.host.process.pid}/maps").read_text()
        self.assertNotIn("plugin.so", maps)

    def test_the_clients_types_accept_what_the_plugin_sends(self):
        try:
            from official_types import check
        except ImportError as missing:
            self.skipTest(f"the official clients are not here: {missing}")
        for name in DIALECTS:
            self.ask(name, "Rome", tools=[WEATHER], tool_choice="required", max_tokens=9, stop=["END"],
                     **WARM[name])
            self.ask(name, "bug", output={"schema": SCHEMA, "strict": True})
            self.run_to_end(name, "chat", {"model": "m", "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "media_type": "image/png", "data": "AAAA"}]},
                {"role": "assistant", "content": "", "tool_calls": [{"id": "t", "name": "weather", "arguments": {"city": "Rome"}}]},
                {"role": "tool", "tool_call_id": "t", "content": "sunny"}], "tools": [WEATHER]})
        seen = [request for request in self.server.seen if request["status"] == 200]
        self.assertGreaterEqual(len({request["dialect"] for request in seen}), 3)
        for request in seen:
            check(request["dialect"], request["path"], request["body"])
        refused = [request for request in self.server.seen if request["status"] in (400, 422)]
        self.assertEqual(refused, [])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
