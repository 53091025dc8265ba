"""python3 -m unittest: in the tests you are the service."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "program"))
from main import plugin  # noqa: E402
from travertine_plugin import Failure  # noqa: E402
from travertine_plugin.testing import Answer, FakeHost  # noqa: E402


class PluginTest(unittest.TestCase):
    def setUp(self):
        self.host = FakeHost(plugin)
        self.addCleanup(self.host.end)

    def test_the_manifest_has_the_operations_of_the_program(self):
        self.host.check_manifest(HERE / "manifest.json")

    def test_echo_gives_the_text_back(self):
        self.assertEqual(self.host.call("echo", {"text": "hello"}), {"text": "hello"})

    def test_fetch_reads_a_page(self):
        output = self.host.call("fetch", {"page": "a/b"}, http=[Answer(200, "text")])
        self.assertEqual(output, {"content": "text"})
        self.assertEqual(self.host.requests[0].path, "/a%2Fb")

    def test_a_service_that_is_busy_is_asked_again_later(self):
        with self.assertRaises(Failure) as raised:
            self.host.call("fetch", {"page": "x"}, http=[Answer(503, headers={"Retry-After": "7"})])
        self.assertTrue(raised.exception.may_retry)
        self.assertEqual(raised.exception.retry_after, 7)


if __name__ == "__main__":
    unittest.main()
