#!/usr/bin/python3
"""The plugin sdk/rust/keeper through travd, once in a process of its own and once within travd: what it reads, sends and
answers in parts, against a service that is Python's own web server.

    rust_test.py BUILD

The library is built: cargo build --package keeper."""

import hashlib
import http.client
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

from host import Host

BUILD = pathlib.Path()
LINES = 400_000
EXPORT = b"".join(b"%d,line\n" % number for number in range(LINES))


class Exports(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        is_there = self.path in ("/all.csv", "/broken.csv")
        self.send_response(200 if is_there else 404)
        self.send_header("Content-Length", str(len(EXPORT) if is_there else 0))
        self.end_headers()
        if self.path == "/all.csv":
            self.wfile.write(EXPORT)
        elif self.path == "/broken.csv":
            self.wfile.write(EXPORT[:1000])
            self.close_connection = True

    def do_PUT(self):
        digest, size = hashlib.sha256(), 0
        while self.headers["Transfer-Encoding"] == "chunked":
            length = int(self.rfile.readline(), 16)
            digest.update(self.rfile.read(length))
            self.rfile.readline()
            size += length
            if length == 0:
                break
        self.server.put = (self.path, size, digest.hexdigest())
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def package(folder):
    source = pathlib.Path(__file__).resolve().parents[2] / "sdk/rust/keeper"
    (folder / "keeper").mkdir()
    (folder / "keeper/manifest.json").write_text((source / "manifest.json").read_text())
    subprocess.run([BUILD / "bin/trav", "plugin", "pack", folder / "keeper", "--library", BUILD / "rust/debug/libkeeper.so", "--output",
                    folder / "keeper.trvp"], check=True, capture_output=True)
    return folder / "keeper.trvp"


class Keeper:
    within_travd = ""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        cls.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exports)
        threading.Thread(target=cls.service.serve_forever, daemon=True).start()
        cls.host = Host(BUILD, folder, TRAV_PLUGINS_IN_PROCESS=cls.within_travd)
        try:
            cls.host.trav("plugin", "install", package(folder), "--tenant", "acme", "--yes")
            cls.host.connect("exports", "keeper", f"http://127.0.0.1:{cls.service.server_port}")
            cls.token = json.loads(cls.host.trav("token", "create", "clients", "--role", "owner", "--tenant", "acme", "--output", "json"))["token"]
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.host.end()
        cls.service.shutdown()
        cls.service.server_close()
        cls.folder.cleanup()

    def output(self, operation, given):
        instance = self.host.ended(self.host.start("keeper", "exports", operation, given))
        self.assertEqual(instance["status"], "completed", instance)
        return instance["output"]

    def get(self, path):
        return self.ask("GET", path)

    def ask(self, method, path, body=None):
        address = urllib.parse.urlsplit(self.host.environment["TRAV_URL"])
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        connection.request(method, "/v1/tenants/acme/plugins/keeper/serve" + path, body, headers={"Authorization": "Bearer " + self.token})
        self.addCleanup(connection.close)
        return connection.getresponse()

    def test_it_runs_where_it_should(self):
        self.output("list", {})
        plugins = pathlib.Path(f"/proc/{self.host.process.pid}/maps").read_text()
        self.assertEqual("/plugins/" in plugins, bool(self.within_travd))

    def test_an_export_is_read_in_parts(self):
        self.assertEqual(self.output("measure", {"export": "all.csv"}), {"bytes": len(EXPORT), "lines": LINES})

    def test_an_export_that_breaks_fails_its_call(self):
        instance = self.host.ended(self.host.start("keeper", "exports", "measure", {"export": "broken.csv"}))
        self.assertEqual(instance["status"], "faulted", instance)

    def test_clients_are_answered(self):
        for name in ("b", "a", "c"):
            self.output("count", {"name": name})
        whole = self.get("/counts")
        self.assertEqual((whole.status, json.loads(whole.read())), (200, {"a": 1, "b": 1, "c": 1}))
        parts = self.get("/counts.csv")
        self.assertEqual((parts.status, parts.getheader("Transfer-Encoding"), parts.read()), (200, "chunked", b"a,1\nb,1\nc,1\n"))
        self.assertEqual(self.get("/nothing").status, 404)

    def test_an_export_is_passed_on_as_it_comes(self):
        answer = self.get("/export/all.csv")
        self.assertEqual((answer.status, answer.read() == EXPORT), (200, True))
        self.assertEqual(self.get("/export/none.csv").status, 404)

    def test_what_a_client_sends_is_passed_on_as_it_comes(self):
        for sent in (EXPORT * 5, iter([EXPORT] * 5), b"short", b""):
            whole = EXPORT * 5 if not isinstance(sent, bytes) else sent
            answer = self.ask("PUT", "/export/new.csv", sent)
            self.assertEqual(answer.status, 201, answer.read())
            self.assertEqual(self.service.put, ("/new.csv", len(whole), hashlib.sha256(whole).hexdigest()))

    def test_a_client_does_not_take_a_part_for_the_whole(self):
        with self.assertRaises(http.client.HTTPException):
            self.get("/export/broken.csv").read()


class Isolated(Keeper, unittest.TestCase):
    pass


class WithinTravd(Keeper, unittest.TestCase):
    within_travd = "keeper"


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
