"""Blobs: what is written in parts is kept under its SHA-256 and read back."""

import hashlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from travertine_plugin import Failure, Plugin  # noqa: E402
from travertine_plugin.testing import FakeHost  # noqa: E402

plain = Plugin()
in_turns = Plugin()


def large():
    return [b"a" * 600_000, b"z"]


@plain.operation("put")
def put(call):
    blob = call.blobs.begin()
    for part in large():
        blob.write(part)
    stored = blob.store(media_type="text/plain", name="a.txt")
    whole = call.blobs.put("whole", name="b.txt")
    return [stored.digest, stored.size, whole.digest, [one.name for one in call.blobs.list().blobs]]


@plain.operation("read")
def read(call):
    data, has_more = b"", True
    while has_more:
        part = call.blobs.read(call.input, offset=len(data))
        data, has_more = data + part.data, part.has_more
    return [len(data), hashlib.sha256(data).hexdigest(), part.blob.media_type]


@plain.operation("erase")
def erase(call):
    call.blobs.erase(call.input)
    dropped = call.blobs.begin()
    dropped.write("half")
    dropped.drop()
    return len(call.blobs.list().blobs)


@in_turns.operation("put")
async def put_in_turns(call):
    blob = call.blobs.begin()
    for part in large():
        await blob.write(part)
    stored = await blob.store(media_type="text/plain", name="a.txt")
    whole = await call.blobs.put("whole", name="b.txt")
    return [stored.digest, stored.size, whole.digest, [one.name for one in (await call.blobs.list()).blobs]]


class BlobTest(unittest.TestCase):
    def test_a_blob_is_written_in_parts_of_any_size(self):
        for plugin in (plain, in_turns):
            with FakeHost(plugin) as host:
                whole = b"".join(large())
                expected = sorted([(hashlib.sha256(whole).hexdigest(), "a.txt"),
                                   (hashlib.sha256(b"whole").hexdigest(), "b.txt")])
                first, size, second, names = host.call("put", None)
                self.assertEqual([size, names], [600_001, [name for _, name in expected]])
                self.assertEqual(host.blobs.values(), {first: whole, second: b"whole"})
                self.assertEqual(sorted([first, second]), [digest for digest, _ in expected])

    def test_what_is_kept_is_read_and_erased(self):
        with FakeHost(plain) as host:
            data = bytes(range(256)) * 3_000
            digest = host.blobs.put(data, media_type="image/png")
            self.assertEqual(host.call("read", digest), [768_000, digest, "image/png"])
            self.assertEqual(host.call("erase", digest), 0)
            with self.assertRaises(Failure) as raised:
                host.call("read", digest)
            self.assertEqual(raised.exception.code, "not_found")

    def test_what_the_host_refuses_is_a_failure(self):
        with FakeHost(plain) as host:
            host.blobs.fail_with("exhausted")
            with self.assertRaises(Failure) as raised:
                host.call("put", None)
            self.assertEqual(raised.exception.code, "exhausted")


if __name__ == "__main__":
    unittest.main()
