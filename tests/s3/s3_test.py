#!/usr/bin/python3
"""Backups in a real object storage, which checks every signature.

    s3_test.py BUILD [unittest arguments]"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "plugins"))
from host import Host  # noqa: E402

SERVER = HERE / "server.sh"
BUILD = pathlib.Path()
TARGET = "s3://backups/acme/one"
WAIT_S = 120
NO_BACKUP, FAULT, USAGE, UNREACHABLE = 1, 4, 2, 5


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def metric(url, name):
    with urllib.request.urlopen(url + "/metrics", timeout=WAIT_S) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else -1


class Storage(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.storage = self.folder / "storage"
        self.bucket = self.storage / "buckets/backups"
        self.bucket.mkdir(parents=True)
        self.port = free_port()
        self.credentials = self.folder / "credentials.ini"
        self.write_credentials("travertine", "of-the-test")
        self.environment = {"HOME": scratch.name, "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                            "TRAV_BACKUP_ENDPOINT": f"http://127.0.0.1:{self.port}",
                            "TRAV_BACKUP_CREDENTIALS_FILE": str(self.credentials)}
        self.addCleanup(self.stop_storage)
        self.start_storage()

    def write_credentials(self, key, secret):
        self.credentials.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
        self.credentials.chmod(0o600)

    def start_storage(self, *tls):
        subprocess.run([SERVER, "start", self.storage, str(self.port), *tls], check=True, stdout=subprocess.DEVNULL)

    def stop_storage(self):
        subprocess.run([SERVER, "stop", self.storage], check=True)

    def start_travd(self, **more):
        host = Host(BUILD, self.folder, **more)
        self.addCleanup(lambda: host.process.poll() is None and host.end())
        return host

    def trav(self, *arguments, code=0, **more):
        result = subprocess.run([BUILD / "bin/trav", *arguments], env={**self.environment, **more}, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result.stdout if code == 0 else result.stderr

    def create(self, *more, code=0):
        return self.trav("backup", "create", TARGET, "--data", self.folder / "data", *more, code=code)

    def verified(self):
        """The segments of a good target; 0 where there is none; a fault is one of the test."""
        result = subprocess.run([BUILD / "bin/trav", "backup", "verify", TARGET, "--output", "json"], env=self.environment,
                                capture_output=True, text=True, timeout=WAIT_S)
        self.assertIn(result.returncode, (0, NO_BACKUP), result.stderr)
        return json.loads(result.stdout)["segments"] if result.returncode == 0 else 0

    def objects(self):
        return sorted(path for path in (self.bucket / "acme/one/objects").rglob("*") if path.is_file())

    def make_blobs(self, count, size):
        """Files that a backup takes; each is another one."""
        folder = self.folder / "data/zz"
        folder.mkdir(exist_ok=True)
        for i in range(count):
            (folder / str(time.monotonic_ns())).write_bytes(random.Random(i).randbytes(size))

    def test_what_was_backed_up_comes_back_and_is_the_live_state(self):
        host = self.start_travd()
        token = host.line("trav login").split()[-1]
        said = self.create()
        key = re.search(r"travertine-backup\S+", said)[0]
        host.trav("tenant", "create", "beta", "--name", "Beta")
        self.make_blobs(1, 40_000_000)
        self.assertIn("segment 2", self.create("--output", "table"))
        self.assertIn("nothing had come", self.create())
        self.trav("backup", "verify", TARGET, "--key", key)
        listed = json.loads(self.trav("backup", "list", TARGET, "--output", "json"))
        self.assertEqual([one["segment"] for one in listed], [1, 2])
        drilled = json.loads(self.trav("backup", "drill", TARGET, "--data", self.folder / "data", "--scratch", self.folder,
                                       "--output", "json"))
        self.assertTrue(drilled["good"], drilled)
        host.end()
        restored = self.folder / "restored"
        self.trav("backup", "restore", TARGET, "--to", restored, "--key", key)
        for file in (path for path in (self.folder / "data/zz").iterdir()):
            self.assertEqual((restored / "zz" / file.name).read_bytes(), file.read_bytes())
        shutil.rmtree(self.folder / "data")
        restored.rename(self.folder / "data")
        out = self.folder / "again"
        with open(out, "wb") as stream:
            travd = subprocess.Popen([BUILD / "bin/travd", "--data", self.folder / "data", "--port", "0"], stdout=stream,
                                     stderr=subprocess.STDOUT, env=self.environment)
        self.addCleanup(travd.wait)
        self.addCleanup(travd.kill)
        until = time.monotonic() + WAIT_S
        while "is ready at " not in out.read_text():
            self.assertLess(time.monotonic(), until, out.read_text())
            time.sleep(0.05)
        host.environment["TRAV_URL"] = re.search(r"is ready at (http://[0-9.:]+)", out.read_text())[1]
        host.trav("login", "--url", host.environment["TRAV_URL"], "--token", token)
        self.assertIn("beta", host.trav("tenant", "list"))

    def test_a_configuration_says_how_the_storage_is_reached(self):
        self.start_travd()
        self.create()
        file = self.folder / "travd.toml"
        file.write_text(f'[data]\nfolder = "{self.folder / "data"}"\n[backup]\ntarget = "{TARGET}"\n'
                        f'endpoint = "{self.environment.pop("TRAV_BACKUP_ENDPOINT")}"\n'
                        f'credentials_file = "{self.environment.pop("TRAV_BACKUP_CREDENTIALS_FILE")}"\n')
        self.assertEqual(len(json.loads(self.trav("backup", "list", TARGET, "--config", file, "--output", "json"))), 1)
        self.assertIn("the last segment is 1", self.trav("backup", "schedule", "--config", file))
        self.trav("backup", "create", TARGET, "--data", file, "--new-base")
        self.assertIn("credentials", self.trav("backup", "list", TARGET, code=USAGE))

    def test_a_changed_byte_of_any_object_is_named(self):
        self.start_travd()
        self.create()
        chosen = random.Random(7).sample(self.objects(), 5) + [self.bucket / "acme/one/segments/0000000001"]
        for file in chosen:
            good = file.read_bytes()
            place = len(good) // 2
            with open(file, "r+b") as stream:  # in place: what the server knows beside the bytes stays
                stream.seek(place)
                stream.write(bytes([good[place] ^ 4]))
            said = self.trav("backup", "verify", TARGET, code=FAULT)
            self.assertIn("s3://backups/" + str(file.relative_to(self.bucket)), said)
            with open(file, "r+b") as stream:
                stream.write(good)
        self.trav("backup", "verify", TARGET)
        chosen[0].unlink()
        self.assertIn("is missing", self.trav("backup", "verify", TARGET, code=FAULT))

    def test_what_is_wrong_is_said_with_what_to_do(self):
        self.start_travd()
        self.create()
        listed = ("backup", "list", TARGET)
        self.write_credentials("travertine", "of-another")
        self.assertIn(f"the secret in {self.credentials} is another one", self.trav(*listed, code=NO_BACKUP))
        self.write_credentials("nobody", "of-the-test")
        self.assertIn(f"does not take the access key 'nobody'", self.trav(*listed, code=NO_BACKUP))
        self.write_credentials("travertine", "of-the-test")
        self.credentials.chmod(0o644)
        self.assertIn("chmod 600", self.trav(*listed, code=NO_BACKUP))
        self.credentials.chmod(0o600)
        self.assertIn("has no bucket 'nothing-here'; create it",
                      self.trav("backup", "create", "s3://nothing-here/x", "--data", self.folder / "data", code=NO_BACKUP))
        self.assertIn("holds no backup", self.trav("backup", "list", "s3://backups/else", code=NO_BACKUP))
        self.assertIn("mend backup.region", self.trav(*listed, code=NO_BACKUP, TRAV_BACKUP_REGION="eu-west-1").replace(
            "or backup.region ('eu-west-1') is not that of the bucket", "mend backup.region"))
        said = self.trav(*listed, code=UNREACHABLE, TRAV_BACKUP_ENDPOINT="http://127.0.0.1:1")
        self.assertIn("http://127.0.0.1:1 does not answer", said)
        self.assertIn("is not a place in an object storage", self.trav("backup", "list", "gs://backups/x", code=USAGE))
        for environment in ({"TRAV_BACKUP_TARGET": TARGET, "TRAV_BACKUP_ENDPOINT": "storage:9000"},
                            {"TRAV_BACKUP_TARGET": TARGET}, {"TRAV_BACKUP_TARGET": "s3://Backups"}):
            result = subprocess.run([BUILD / "bin/travd", "--data", self.folder / "other", "--port", "0"], capture_output=True, text=True,
                                    env={"HOME": str(self.folder), "PATH": os.environ["PATH"], **environment}, timeout=WAIT_S)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("backup.", result.stderr)

    def test_tls_is_checked_against_the_authority_that_is_named(self):
        self.start_travd()
        self.stop_storage()
        for name in ("server", "stranger"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.storage / f"{name}.key",
                            "-out", self.storage / f"{name}.pem"], check=True, capture_output=True)
        self.start_storage("server")
        self.environment["TRAV_BACKUP_ENDPOINT"] = f"https://127.0.0.1:{self.port}"
        self.assertIn("backup.ca_file", self.create(code=NO_BACKUP))
        self.environment["TRAV_BACKUP_CA_FILE"] = str(self.storage / "stranger.pem")
        self.assertIn("backup.ca_file", self.create(code=NO_BACKUP))
        self.environment["TRAV_BACKUP_CA_FILE"] = str(self.storage / "server.pem")
        self.create()
        self.assertEqual(self.verified(), 1)

    def test_a_storage_that_is_killed_in_the_middle_costs_nothing_that_was_there(self):
        self.start_travd()
        chance = random.Random(4711)
        segments = cut = 0
        for _ in range(8):
            self.make_blobs(12, 1_000_000)
            child = subprocess.Popen([BUILD / "bin/trav", "backup", "create", TARGET, "--data", self.folder / "data"],
                                     env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.02, 0.3))
            self.stop_storage()
            cut += child.poll() is None
            if chance.random() < 0.5:
                child.send_signal(signal.SIGKILL)  # of the backup, too
            self.start_storage()
            child.wait(WAIT_S)
            now = self.verified()
            self.assertGreaterEqual(now, segments)
            segments = now
        self.assertGreater(cut, 3, "the storage ended while a backup was under way")
        self.create("--new-base")
        self.assertEqual(self.verified(), segments + 1)
        self.trav("backup", "restore", TARGET, "--to", self.folder / "restored")

    def test_a_storage_that_comes_back_soon_is_waited_for(self):
        self.start_travd()
        self.stop_storage()
        later = threading.Timer(1.5, self.start_storage)
        later.start()
        self.create()
        later.join()
        self.assertEqual(self.verified(), 1)

    def test_of_two_creators_at_once_one_adds_each_segment(self):
        host = self.start_travd()
        host.end()
        shutil.copytree(self.folder / "data", self.folder / "twin")
        (self.folder / "twin/keys/backup.pem").unlink(missing_ok=True)
        self.create()  # makes the key
        shutil.copy2(self.folder / "data/keys/backup.pem", self.folder / "twin/keys/backup.pem")
        added = [1]

        def run(data):
            for _ in range(8):
                result = subprocess.run([BUILD / "bin/trav", "backup", "create", TARGET, "--data", data, "--new-base"],
                                        env=self.environment, capture_output=True, text=True, timeout=WAIT_S)
                if result.returncode == 0:
                    added.append(1)
                else:
                    self.assertIn("was faster", result.stderr)

        threads = [threading.Thread(target=run, args=[self.folder / name]) for name in ("data", "twin")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.verified(), len(added))

    def test_travd_backs_itself_up_and_ends_soon_while_the_storage_is_silent(self):
        host = self.start_travd(TRAV_BACKUP_TARGET=TARGET, TRAV_BACKUP_INTERVAL_SECONDS="1",
                                TRAV_BACKUP_ENDPOINT=self.environment["TRAV_BACKUP_ENDPOINT"],
                                AWS_ACCESS_KEY_ID="travertine", AWS_SECRET_ACCESS_KEY="of-the-test")
        url = host.environment["TRAV_URL"]

        def wait_until(name, least):
            until = time.monotonic() + WAIT_S
            while metric(url, name) < least:
                self.assertLess(time.monotonic(), until, (self.folder / "log").read_text())
                time.sleep(0.1)

        wait_until("travertine_backups_total", 2)
        host.trav("tenant", "create", "beta", "--name", "Beta")
        wait_until("travertine_backup_segments_total", 2)
        self.assertGreaterEqual(self.verified(), 2)
        server = int((self.storage / "pid").read_text())
        os.kill(server, signal.SIGSTOP)
        time.sleep(2)
        begun = time.monotonic()
        host.end()
        self.assertLess(time.monotonic() - begun, 8)
        os.kill(server, signal.SIGCONT)
        self.assertNotIn("of-the-test", (self.folder / "log").read_text() + (self.folder / "out").read_text())


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    if subprocess.run([SERVER, "have"]).returncode == 3:
        print("skipped: no server of S3 on this machine; `./dev s3 up` fetches one")
        sys.exit(77)
    unittest.main()
