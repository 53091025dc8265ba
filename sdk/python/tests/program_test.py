"""The program as its host starts it: lines of JSON over file 3, in a process."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parent / "plugin_under_test.py"
PATIENCE_S = 60


class ProgramTest(unittest.TestCase):
    def start(self, configuration=None, **more):
        ours, theirs = socket.socketpair()
        # The program's file 3, whatever number it has here.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$0" "$1" 3<&{theirs.fileno()}', sys.executable, str(PROGRAM)],
            pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        self.addCleanup(self.clean_up)
        theirs.close()
        ours.settimeout(PATIENCE_S)
        self.socket = ours
        self.lines = ours.makefile("rb")
        self.say("begin", plugin="p", version="1.0.0", configuration=configuration or {}, **more)

    def clean_up(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.lines.close()
        self.socket.close()

    def say(self, name, **body):
        self.socket.sendall(json.dumps({name: body}).encode() + b"\n")

    def hear(self, *names):
        """The next frame with one of these names; others are passed over."""
        while line := self.lines.readline():
            (name, body), = json.loads(line).items()
            if name in names:
                return name, body
        self.fail(f"the program ended before it sent {names}")

    def invoke(self, call, operation, input=None):
        self.say("invoke", call=call, operation=operation, tenant="acme", connection="", idempotency_key="k",
                 traceparent="", attempt=1, timeout_ms=0, input=input)

    def test_from_begin_to_end(self):
        self.start()
        name, body = self.hear("ready", "refused")
        self.assertEqual(name, "ready")
        self.assertEqual(body["operations"][:3], ["echo", "echo-async", "count"])
        self.invoke(7, "log")
        self.assertEqual(self.hear("log"), ("log", {"level": "warning", "message": "first", "call": 7}))
        self.assertEqual(self.hear("answer"), ("answer", {"call": 7, "output": None}))
        large = "å" * 400_000
        self.invoke(8, "echo", large)
        self.assertEqual(self.hear("answer"), ("answer", {"call": 8, "output": large}))
        self.say("new_frame_of_a_later_version")
        self.say("end")
        self.assertEqual(self.hear("log")[1]["message"], "ended")
        self.assertEqual(self.process.wait(PATIENCE_S), 0)
        self.assertEqual(self.process.stdout.read(), "printed\n")

    def test_a_trial_shows_the_operations_without_a_configuration(self):
        self.start({"refuse": True}, trial=True)
        self.assertIn("echo", self.hear("ready", "refused")[1]["operations"])

    def test_a_refusal_says_why_and_ends_the_program(self):
        self.start({"refuse": True})
        self.assertEqual(self.hear("ready", "refused"), ("refused", {"message": "the word 'refuse' is configured"}))
        self.assertEqual(self.process.wait(PATIENCE_S), 0)

    def test_operations_that_block_stop_neither_pongs_nor_calls_nor_the_end(self):
        self.start()
        self.hear("ready")
        for call, operation in enumerate(("block", "spin", "hold"), 1):
            self.invoke(call, operation, 600)
        self.say("ping", number=4)
        self.assertEqual(self.hear("pong"), ("pong", {"number": 4}))
        self.invoke(9, "echo-async", 1)
        self.invoke(10, "echo", 2)
        outputs = {self.hear("answer")[1]["output"] for _ in range(2)}
        self.assertEqual(outputs, {1, 2})
        self.say("end")
        self.assertEqual(self.process.wait(PATIENCE_S), 0)

    def test_a_cancelled_call_is_answered_once(self):
        self.start()
        self.hear("ready")
        for call, operation in enumerate(("block", "wait-async", "spin"), 1):
            self.invoke(call, operation, 600)
            self.say("cancel", call=call)
            self.assertEqual(self.hear("failed", "answer"),
                             ("failed", {"call": call, "code": "cancelled", "message": "the call was cancelled"}))
        self.say("cancel", call=1)
        self.invoke(4, "echo", 4)
        self.assertEqual(self.hear("failed", "answer"), ("answer", {"call": 4, "output": 4}))

    def test_a_host_that_has_gone_ends_the_program(self):
        self.start()
        self.hear("ready")
        self.invoke(1, "block", 600)
        self.socket.shutdown(socket.SHUT_RDWR)
        self.process.wait(PATIENCE_S)

    def run_from_a_shell(self, *words):
        done = subprocess.run([sys.executable, PROGRAM, *words], capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, done.stdout, done.stderr

    def test_from_a_shell_it_runs_one_operation(self):
        self.assertEqual(self.run_from_a_shell("echo", '{"a": "å"}')[:2], (0, '{\n  "a": "å"\n}\n'))
        code, output, errors = self.run_from_a_shell("defect")
        self.assertEqual((code, output), (1, ""))
        self.assertIn("Traceback", errors)
        self.assertTrue(errors.endswith("Failed with internal: KeyError: 'missing'\n"), errors)
        code, output, errors = self.run_from_a_shell()
        self.assertEqual((code, output), (2, ""))
        self.assertIn("OPERATION 'INPUT AS JSON'", errors)
        self.assertIn("There is no operation 'ecko'.", self.run_from_a_shell("ecko")[2])
        self.assertIn("The input is not JSON: ", self.run_from_a_shell("echo", "{")[2])


if __name__ == "__main__":
    unittest.main()
