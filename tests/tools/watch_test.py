#!/usr/bin/env python3
"""`trav workflow check --watch` as a process: on a pipe and on a terminal it shows a change, and ends on Ctrl-C with 0.

    watch_test.py TRAV [unittest arguments]
"""

import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TRAV = ""
WAIT_S = 60
HEAD = "document: {dsl: '1.0.3', namespace: shop, name: order, version: '1.0.0'}\n"
GOOD = HEAD + "do: [{greet: {set: {text: hello}}}]\n"
BAD = HEAD + "do: [{greet: {sett: {text: hello}}}]\n"


class Watch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "order.yaml"
        self.file.write_text(GOOD)
        self.process = None

    def tearDown(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
        self.folder.cleanup()

    def start(self, out, err=subprocess.DEVNULL):
        self.process = subprocess.Popen([TRAV, "workflow", "check", "--watch", str(self.file)], stdin=subprocess.DEVNULL,
                                        stdout=out, stderr=err)

    def read_until(self, source, wanted: str, text: str = "") -> str:
        """All that came, until `wanted` is in it."""
        until = time.monotonic() + WAIT_S
        while wanted not in text:
            left = until - time.monotonic()
            self.assertGreater(left, 0, f"{wanted!r} did not come; there is {text!r}")
            if select.select([source], [], [], left)[0]:
                more = os.read(source, 65536)
                self.assertTrue(more, f"the end came before {wanted!r}; there is {text!r}")
                text += more.decode()
        return text

    def test_a_pipe_gets_each_answer_and_ctrl_c_ends_with_0(self):
        self.start(subprocess.PIPE)
        out = self.process.stdout.fileno()
        text = self.read_until(out, "is valid: shop/order:1.0.0\n")
        self.file.write_text(BAD)
        text += self.read_until(out, "1 error, 0 warnings in 1 file\n")
        self.assertIn("did you mean 'set'?", text)
        # As editors do it: another file takes the name.
        other = self.file.with_suffix(".new")
        other.write_text(GOOD.replace("order", "offer"))
        other.rename(self.file)
        text += self.read_until(out, "is valid: shop/offer:1.0.0\n")
        self.file.unlink()
        text += self.read_until(out, "No such file or directory")
        self.file.write_text(GOOD)
        text += self.read_until(out, "is valid: shop/order:1.0.0\n")
        self.assertNotIn("\x1b", text)
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(WAIT_S), 0)

    def test_what_is_not_changed_is_not_checked_again(self):
        self.start(subprocess.PIPE)
        out = self.process.stdout.fileno()
        self.read_until(out, "is valid")
        self.assertEqual(select.select([out], [], [], 1)[0], [], "it printed again without a change")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(WAIT_S), 0)

    def test_a_terminal_is_cleared_before_each_answer(self):
        ours, theirs = pty.openpty()
        try:
            self.start(theirs, theirs)
            os.close(theirs)
            first = self.read_until(ours, "Ctrl-C ends")
            self.assertTrue(first.startswith("\x1b[H\x1b[2J"), repr(first))
            self.file.write_text(BAD)
            second = self.read_until(ours, "1 error, 0 warnings in 1 file")
            self.assertTrue(second.lstrip().startswith("\x1b[H\x1b[2J"), repr(second))
            self.process.send_signal(signal.SIGINT)
            self.assertEqual(self.process.wait(WAIT_S), 0)
        finally:
            os.close(ours)

    def test_a_reader_that_goes_ends_it(self):
        self.start(subprocess.PIPE)
        self.read_until(self.process.stdout.fileno(), "is valid")
        self.process.stdout.close()
        self.assertEqual(self.process.wait(WAIT_S), 0)


if __name__ == "__main__":
    TRAV = sys.argv.pop(1)
    unittest.main()
