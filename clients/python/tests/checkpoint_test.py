"""Checkpoints in a file."""

import pathlib
import tempfile
import unittest

from travertine_events import Checkpoint, load_checkpoints, save_checkpoints


class CheckpointFileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "checkpoints"

    def test_what_was_saved_is_loaded(self):
        known = {0: Checkpoint(0, 7, 3, bytes(32)), 4: Checkpoint(4, 1, 1, b"\xff" * 32)}
        self.assertEqual(load_checkpoints(str(self.path), "t"), {})
        save_checkpoints(str(self.path), "t", known)
        self.assertEqual(load_checkpoints(str(self.path), "t"), known)
        self.assertEqual([path.name for path in self.path.parent.iterdir()], ["checkpoints"])

    def test_a_file_of_another_topic_is_refused(self):
        save_checkpoints(str(self.path), "t", {})
        with self.assertRaisesRegex(ValueError, "of topic 't', not of 'u'"):
            load_checkpoints(str(self.path), "u")

    def test_other_files_are_refused(self):
        for text in ("", "{", "[]", "{}", '{"topic":"t","checkpoints":[{}]}', '{"topic":"t","checkpoints":3}',
                     '{"topic":"t","checkpoints":[{"shard":0,"offset":"x","lsn":1,"sha256":""}]}'):
            self.path.write_text(text)
            with self.assertRaises(ValueError, msg=text):
                load_checkpoints(str(self.path), "t")


if __name__ == "__main__":
    unittest.main()
