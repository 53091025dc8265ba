#!/usr/bin/env python3
"""`trav workflow lsp` as an editor runs it: a process, JSON-RPC with Content-Length over pipes, broken frames among it.

    language_server_test.py TRAV [unittest arguments]
"""

import json
import os
import select
import subprocess
import sys
import time
import unittest

TRAV = ""
WAIT_S = 60
URI = "file:///order.yaml"
HEAD = "document: {dsl: '1.0.3', namespace: shop, name: order, version: '1.0.0'}\n"
BAD = HEAD + "do:\n  - greet:\n      sett: {text: hello}\n"
GOOD = HEAD + "do:\n  - greet:\n      set: {text: hello}\n      then: bye\n  - bye:\n      wait: PT1S\n"


class LanguageServer(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([TRAV, "workflow", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""
        self.next_id = 0

    def tearDown(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if not pipe.closed:
                pipe.close()

    def write(self, data: bytes):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def receive(self):
        until = time.monotonic() + WAIT_S
        while True:
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if separator:
                length = int(dict(line.split(b": ") for line in head.split(b"\r\n"))[b"Content-Length"])
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return json.loads(rest[:length])
            left = until - time.monotonic()
            self.assertGreater(left, 0, f"no whole message came; there is {self.buffer!r}")
            if select.select([self.process.stdout], [], [], left)[0]:
                more = os.read(self.process.stdout.fileno(), 65536)
                self.assertTrue(more, f"the server ended; there is {self.buffer!r}")
                self.buffer += more

    def notify(self, method, params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method, params=None):
        self.next_id += 1
        self.send({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params or {}})
        while True:
            answer = self.receive()
            if answer.get("id") == self.next_id:
                return answer

    def diagnostics(self):
        while True:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                return message["params"]["diagnostics"]

    def begin(self, text):
        answer = self.ask("initialize", {"capabilities": {}})
        self.assertIn("capabilities", answer["result"])
        self.notify("initialized", {})
        self.notify("textDocument/didOpen",
                    {"textDocument": {"uri": URI, "languageId": "yaml", "version": 1, "text": text}})
        return self.diagnostics()

    def end(self):
        self.assertIsNone(self.ask("shutdown")["result"])
        self.notify("exit", {})
        self.assertEqual(self.process.wait(WAIT_S), 0)

    def test_a_session_of_an_editor(self):
        found = self.begin(BAD)
        self.assertEqual(len(found), 1, found)
        self.assertIn("did you mean 'set'?", found[0]["message"])
        self.assertEqual(found[0]["range"]["start"], {"line": 3, "character": 6})
        self.notify("textDocument/didChange",
                    {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": GOOD}]})
        self.assertEqual(self.diagnostics(), [])
        place = {"textDocument": {"uri": URI}, "position": {"line": 4, "character": 13}}
        labels = [item["label"] for item in self.items(self.ask("textDocument/completion", place))]
        self.assertIn("bye", labels)
        target = self.ask("textDocument/definition", place)["result"]
        target = target[0] if isinstance(target, list) else target
        self.assertEqual(target["range"]["start"]["line"], 5)
        hover = self.ask("textDocument/hover", {"textDocument": {"uri": URI}, "position": {"line": 3, "character": 7}})
        self.assertIn("Gives data", json.dumps(hover["result"]))
        self.end()

    @staticmethod
    def items(answer):
        result = answer["result"]
        return result["items"] if isinstance(result, dict) else result

    def test_a_frame_in_pieces_is_one_frame(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}).encode()
        for byte in b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n" % len(body):
            self.write(bytes([byte]))
        self.write(body[:10])
        self.write(body[10:])
        self.assertEqual(self.receive()["id"], 1)

    def test_broken_frames_do_not_end_it(self):
        self.send(b"{this is not JSON")
        self.assertEqual(self.receive()["error"]["code"], -32700)
        self.write(b"Content-Length: many\r\n\r\n")
        self.write(b"no header at all\r\n\r\n")
        self.write(b"x" * 100_000 + b"\r\n\r\n")
        self.write(b"Content-Length: 0\r\n\r\n")
        self.write(b"Content-Length: 99999999999999999999\r\n\r\n")
        self.send({"jsonrpc": "2.0", "method": "nothing/known", "params": {}})
        self.next_id = 100
        answer = self.ask("initialize", {"capabilities": {}})
        self.assertIn("capabilities", answer["result"])
        self.assertEqual(self.ask("no/such/method")["error"]["code"], -32601)
        self.end()

    def test_a_text_of_another_size_than_said_is_an_error_and_no_end(self):
        self.begin(GOOD)
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "shutdown"}).encode()
        self.write(b"Content-Length: %d\r\n\r\n" % (len(body) - 3) + body)
        self.assertEqual(self.receive()["error"]["code"], -32700)
        # What is left of the frame is skipped up to the next header.
        self.write(b"\r\n")
        self.assertIsNone(self.ask("shutdown")["result"])

    def test_the_end_of_its_input_ends_it(self):
        self.begin(GOOD)
        self.process.stdin.close()
        # Without "shutdown" before it that is an error of the editor's.
        self.assertEqual(self.process.wait(WAIT_S), 1)

    def test_a_hostile_text_does_not_end_it(self):
        self.begin(GOOD)
        for number, text in enumerate(["[" * 200_000, HEAD + "do: " + "- " * 50_000, "\0" * 1000, "a: &a [*a]"]):
            self.notify("textDocument/didChange",
                        {"textDocument": {"uri": URI, "version": 2 + number}, "contentChanges": [{"text": text}]})
            self.assertTrue(self.diagnostics())
        self.end()


if __name__ == "__main__":
    TRAV = sys.argv.pop(1)
    unittest.main()
