"""The sample sinks keep each event once, whatever a crash left behind. PostgreSQL is a real one, on a socket in a scratch
folder; without its programs its tests are skipped."""

import base64
import glob
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "clients" / "samples"))
from sink_jsonl import JsonLines  # noqa: E402
from travertine_events import read_log  # noqa: E402

try:
    import psycopg2
    from sink_postgres import Database
except ImportError:
    psycopg2 = None

INITDB = shutil.which("initdb") or next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None)


def recorded():
    """The newest recorded log: its events, and what the API showed of them."""
    release = sorted((REPOSITORY / "tests" / "golden" / "releases").glob("*/records.json"))[-1]
    lines = json.loads(release.read_text())
    entries = [(1 + at, base64.b64decode(line["value"])) for at, line in enumerate(lines)]
    return list(read_log(0, entries)), [line["event"] for line in lines]


def batches(events, known):
    """What a reader gives that begins from these checkpoints, seven events at a time, each with its checkpoints."""
    rest = [event for event in events if 0 not in known or event.record.lsn > known[0].lsn]
    for at in range(0, len(rest), 7):
        yield rest[at:at + 7], {0: rest[at:at + 7][-1].checkpoint}


class Crash(Exception):
    pass


class JsonLinesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "events"
        self.events, self.shown = recorded()

    def stored(self):
        return {path.stem: [json.loads(line) for line in path.read_text().splitlines()]
                for path in self.folder.glob("*.jsonl")}

    def test_each_event_is_in_the_file_of_its_tenant_once(self):
        for crash_at in (0, 1, 3, None):
            shutil.rmtree(self.folder, ignore_errors=True)
            files = JsonLines(self.folder, "t")
            try:
                for number, (events, checkpoints) in enumerate(batches(self.events, files.checkpoints)):
                    if number == crash_at:
                        # The lines are written, the state is not.
                        os.mkdir(self.folder / "state.json.new")
                        with self.assertRaises(IsADirectoryError):
                            files.store(events, checkpoints)
                        raise Crash
                    files.store(events, checkpoints)
            except Crash:
                os.rmdir(self.folder / "state.json.new")
                files = JsonLines(self.folder, "t")
                for events, checkpoints in batches(self.events, files.checkpoints):
                    files.store(events, checkpoints)
            wanted = {tenant: [event for event in self.shown if event["tenant"] == tenant] for tenant in ("acme", "system")}
            self.assertEqual(self.stored(), wanted)
            self.assertEqual(list(batches(self.events, JsonLines(self.folder, "t").checkpoints)), [])

    def test_a_folder_of_another_topic_is_refused(self):
        JsonLines(self.folder, "t").store([], {})
        with self.assertRaisesRegex(SystemExit, "of topic 't', not of 'u'"):
            JsonLines(self.folder, "u")


@unittest.skipIf(psycopg2 is None, "psycopg2 is not installed: apt-get install python3-psycopg2")
@unittest.skipIf(INITDB is None, "PostgreSQL is not installed: apt-get install postgresql")
class PostgresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # PostgreSQL does not run as root.
        user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        if user:
            os.chown(folder.name, pwd.getpwnam("nobody").pw_uid, -1)
        bin = pathlib.Path(INITDB).parent
        data = f"{folder.name}/data"
        quiet = {"cwd": folder.name, "check": True, "stdout": subprocess.DEVNULL, **user}
        subprocess.run([INITDB, "-D", data, "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8"], **quiet)
        control = [bin / "pg_ctl", "-D", data, "-w", "-s", "-t", "60"]
        subprocess.run([*control, "-l", f"{folder.name}/log", "-o", f"-c listen_addresses='' -k {folder.name}", "start"],
                       **quiet)
        cls.addClassCleanup(subprocess.run, [*control, "-m", "immediate", "stop"], **quiet)
        cls.address = f"host={folder.name} user=tests dbname=postgres"

    def setUp(self):
        self.events, self.shown = recorded()
        with self.query() as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS events, checkpoints, refused")

    def query(self):
        connection = psycopg2.connect(self.address)
        self.addCleanup(connection.close)
        return connection

    def rows(self, text):
        with self.query() as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def test_each_event_is_a_row_once(self):
        first = Database(self.query(), "t")
        self.assertEqual(first.checkpoints, {})
        for number, (events, checkpoints) in enumerate(batches(self.events, {})):
            if number == 3:
                # A crash within the transaction: the rows before it are not there either.
                broken = {0: checkpoints[0]._replace(hash=None)}
                with self.assertRaises(AttributeError):
                    first.store(events, broken)
                break
            first.store(events, checkpoints)
        self.assertEqual(self.rows("SELECT count(*), max(lsn) FROM events"), [(21, 21)])
        second = Database(self.query(), "t")
        self.assertEqual(second.checkpoints[0].lsn, 21)
        for events, checkpoints in batches(self.events, second.checkpoints):
            second.store(events, checkpoints)
        self.assertEqual(self.rows("SELECT id::text, tenant, source, type, subject, actor, data FROM events ORDER BY shard, lsn"),
                         [tuple(event[name] for name in ("id", "tenant", "source", "type", "subject", "actor", "data"))
                          for event in self.shown])
        self.assertEqual(list(batches(self.events, Database(self.query(), "t").checkpoints)), [])

    def test_an_event_that_is_refused_waits_beside_the_others(self):
        database = Database(self.query(), "t")
        kinds = sorted({event["type"] for event in self.shown})
        with self.query() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (type <> %s)", (kinds[0],))
        for events, checkpoints in batches(self.events, {}):
            database.store(events, checkpoints)
        poison = [event for event in self.shown if event["type"] == kinds[0]]
        self.assertTrue(poison)
        self.assertEqual(self.rows("SELECT count(*) FROM events"), [(len(self.shown) - len(poison),)])
        refused = self.rows("SELECT event, reason FROM refused ORDER BY shard, lsn")
        self.assertEqual([event["id"] for event, _ in refused], [event["id"] for event in poison])
        self.assertIn("no_poison", refused[0][1])
        self.assertEqual(database.retry_refused(), len(poison))
        with self.query() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events DROP CONSTRAINT no_poison")
        self.assertEqual(database.retry_refused(), 0)
        self.assertEqual(self.rows("SELECT id::text FROM events ORDER BY shard, lsn"),
                         [(event["id"],) for event in self.shown])

    def test_a_text_that_postgresql_cannot_have_is_kept_but_for_that_character(self):
        from sink_postgres import without_nul
        self.assertEqual(without_nul({"a\0": ["b\0c", 1, None]}), {"a\ufffd": ["b\ufffdc", 1, None]})


if __name__ == "__main__":
    unittest.main()
