#!/usr/bin/env python3
"""Bundles on bare hosts without network: `bare_hosts_test.py BUILD [unittest options]`.

The hosts are the smallest Debian 12 and Debian 11. The commands of docs/guides/installing.md are run as they are there.
Prints the figures of installation and upgrade as JSON lines. Ends with 77 where hosts cannot be made here.
"""

import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import bare_host

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
FIRST, NEXT = "0.1.0", "0.2.0"
URL = "http://127.0.0.1:8400"
WORKFLOW = """document: {dsl: '1.0.3', namespace: test, name: send, version: '1.0.0'}
do:
  - send:
      call: http
      with: {method: post, endpoint: 'http://127.0.0.1:9000/', body: {number: '${ .number }'}}
"""
SCRIPT = """document: {dsl: '1.0.3', namespace: test, name: say, version: '1.0.0'}
do:
  - say:
      run: {shell: {command: 'echo hello'}}
"""
ANSWERS = '[data]\nfolder = "/var/lib/travertine"\n\n[egress]\nallow_private_network = true\n'


def figure(name: str, value: float, unit: str, floor: float) -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "floor": f"value <= {floor}", "holds": value <= floor}))


def guide_blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs/guides/installing.md").read_text(), re.DOTALL)


class Bundles:
    """Both bundles, made once, signed by keys of this run."""

    def __init__(self, build: pathlib.Path, work: pathlib.Path):
        self.output = work / "bundles"
        self.build, self.keys = build, work / "keys"
        for version in (FIRST, NEXT):
            printed = self.make(version, self.output)
            self.fingerprint = re.search(r"release\.gpg +([0-9a-f]{64})", printed).group(1)

    def make(self, version: str, output: pathlib.Path, *more: str, **options) -> str:
        made = subprocess.run(("/usr/bin/python3", str(ROOT / "installer/bundle/build.py"), "--build", str(self.build), "--output", str(output),
                               "--keys", str(self.keys), "--version", version, *more), capture_output=True, text=True, **options)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        return made.stdout

    def file(self, version: str) -> pathlib.Path:
        return self.output / f"travertine-{version}-x86_64.tar.gz"


class OnBareHosts(unittest.TestCase):
    build: pathlib.Path
    work: pathlib.Path
    bundles: Bundles

    def host(self, suite: str) -> bare_host.BareHost:
        kind = bare_host.SystemdHost if suite.endswith("-systemd") else bare_host.BareHost
        host = self.enterContext(kind(suite, self.work))
        self.bring(host)
        return host

    def bring(self, host: bare_host.BareHost) -> None:
        for version in (FIRST, NEXT):
            shutil.copy(self.bundles.file(version), host.path("/tmp"))

    def unpack(self, host: bare_host.BareHost, *versions: str) -> None:
        for version in versions:
            host.run(f"cd /tmp && tar -xf travertine-{version}-x86_64.tar.gz")

    def files(self, host: bare_host.BareHost) -> set[str]:
        # What the kernel and the test put there is not the installer's.
        found = host.run("find / -xdev -not -path '/tmp/*' -not -path '/root/*' -not -path '/proc/*' -not -path '/dev/*'").stdout
        return set(found.splitlines())

    def status(self, host: bare_host.BareHost) -> str:
        return host.run("trav-installer status").stdout

    def owner(self, host: bare_host.BareHost) -> str:
        """A tenant, its workflow, and the token of its owner."""
        host.path("/tmp/send.yaml").write_text(WORKFLOW)
        host.run(f"trav login --url {URL} --token \"$(cat /var/lib/travertine/operator.token)\" && trav tenant create acme && "
                 "trav workflow apply /tmp/send.yaml --tenant acme")
        made = host.run("trav token create load --tenant acme --role owner --as-operator").stdout
        return re.search(r"trv_acme_\S+", made).group(0)

    def installed(self, suite: str, answers: str = ANSWERS) -> bare_host.BareHost:
        host = self.host(suite)
        self.unpack(host, FIRST, NEXT)
        host.path("/tmp/answers.toml").write_text(answers)
        host.run(f"sh /tmp/travertine-{FIRST}-x86_64/install.sh --answers /tmp/answers.toml")
        return host

    def follow_the_guide(self, suite: str) -> None:
        host = self.host(suite)
        before = self.files(host)
        began = time.monotonic()
        blocks = guide_blocks()
        unpacking, verifying, installing, first_steps, upgrade, rollback, uninstall = blocks
        for page, shell in ((unpacking, ""), (verifying, f"cd /tmp/travertine-{FIRST}-x86_64\nFINGERPRINT={self.bundles.fingerprint}\n"),
                            (installing, f"cd /tmp/travertine-{FIRST}-x86_64\n")):
            print(host.run(shell + page).stdout[-300:], file=sys.stderr)
        figure(f"install_{suite}", time.monotonic() - began, "s", 30)
        host.run(first_steps)
        self.play_demo(host)
        self.unpack(host, NEXT)
        host.run(upgrade)
        self.assertIn(f"current    {NEXT}", self.status(host))
        self.assertIn("completed", host.run("trav instance list --tenant acme").stdout)
        host.run(rollback)
        self.assertIn(f"current    {FIRST}", self.status(host))
        self.assertIn("completed", host.run("trav instance list --tenant acme").stdout)
        host.run("trav audit export --tenant acme --output /tmp/audit && "
                 "TRAV_CONFIG_DIR=/nonexistent trav audit verify /tmp/audit --key-file /tmp/audit/key.pub")
        host.run(uninstall)
        after = self.files(host)
        left = {name for name in after - before if not name.startswith(("/var/lib/travertine", "/run/"))}
        # Of useradd and systemd-sysusers: copies of the files that they changed.
        self.assertEqual({name for name in left if not re.fullmatch(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-", name)}, set())
        self.assertTrue(any(name.startswith("/var/lib/travertine/") for name in after), "the data are kept")
        # Another installation goes on with them.
        host.run(f"cd /tmp/travertine-{NEXT}-x86_64 && sh install.sh --yes && trav instance list --tenant acme | grep completed")
        host.run("trav-installer uninstall --purge")
        self.assertFalse(host.path("/var/lib/travertine").exists())

    def play_demo(self, host: bare_host.BareHost) -> None:
        """docs/guides/demo.sh with the plugins of the bundle: a signed webhook, three isolated plugins, the trail."""
        with open(self.work / "stand-ins.out", "w+") as out:
            stand_ins = host.beside(str(self.build / "bin/trv_stand_ins"), "--journal", str(self.work / "journal.jsonl"), "--slack-channel",
                                    "triage", stdout=out)
            self.addCleanup(stand_ins.kill)
            for _ in range(100):
                services = dict(re.findall(r'"(github|jira|slack)": *"([^"]*)"', (self.work / "stand-ins.out").read_text()))
                if len(services) == 3:
                    break
                time.sleep(0.05)
        (host.path("/tmp") / "webhook-secret").write_text("secret")
        auth = {"github": "--auth bearer --secret-env TOKEN --webhook-secret-file /tmp/webhook-secret",
                "jira": "--auth basic --user bot@example.com --secret-env TOKEN", "slack": "--auth bearer --secret-env TOKEN"}
        token = {"github": "github-token", "jira": "jira-token", "slack": "slack-token"}
        for name, url in services.items():
            if name != "github":  # the guide has installed it
                host.run(f"trav plugin install /opt/travertine/current/plugins/{name}-1.0.0.trvp --tenant acme --yes")
            host.run(f"TOKEN={token[name]} trav connection set {name} --tenant acme --plugin {name} --base-url {url} "
                     f"--allow-private-network {auth[name]}")
        host.run("trav workflow apply /opt/travertine/current/share/examples/triage.yaml --tenant acme")
        body = (ROOT / "docs/guides/issue-opened.json").read_bytes()
        signature = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        sent = host.beside("curl", "-sS", "--fail-with-body", "-H", "Content-Type: application/json", "-H", "X-GitHub-Event: issues", "-H",
                           "X-GitHub-Delivery: one", "-H", f"X-Hub-Signature-256: sha256={signature}", "--data-binary", "@-",
                           f"{URL}/v1/tenants/acme/webhooks/github/events", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        instance = json.loads(sent.communicate(body)[0])["started"][0]
        self.assertIn("completed", host.run(f"trav instance watch {instance} --tenant acme").stdout)
        networks = host.run("for p in /proc/[0-9]*; do readlink $p/ns/net || true; done | sort -u | wc -l").stdout.split()[-1]
        self.assertGreaterEqual(int(networks), 2, "the plugins have a network of their own, without anything in it")

    def test_the_guide_holds_on_debian_12(self) -> None:
        self.follow_the_guide("bookworm")

    def test_the_guide_holds_on_debian_11_with_an_older_glibc(self) -> None:
        self.follow_the_guide("bullseye")

    def test_the_guide_holds_on_debian_12_with_systemd(self) -> None:
        self.follow_the_guide("bookworm-systemd")

    def test_an_upgrade_and_a_rollback_lose_no_request_and_no_effect(self) -> None:
        self.upgrade_under_load("bookworm", 100)

    def test_an_upgrade_and_a_rollback_under_systemd_lose_no_request_and_no_effect(self) -> None:
        # One process at a time: the start is in the gap.
        self.upgrade_under_load("bookworm-systemd", 1000)

    def upgrade_under_load(self, suite: str, gap_ms: float) -> None:
        host = self.installed(suite)
        token = self.owner(host)
        receiver = host.beside("/usr/bin/python3", str(HERE / "receiver.py"), "9000", str(host.path("/tmp/effects")), stdout=subprocess.PIPE)
        self.addCleanup(receiver.kill)
        receiver.stdout.readline()
        load = host.beside("/usr/bin/python3", str(HERE / "load.py"), URL, token, "500", "12", stdout=subprocess.PIPE, text=True)
        time.sleep(3)
        host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes")
        self.assertIn(f"running    {NEXT}", self.status(host))
        time.sleep(2)
        host.run("trav-installer rollback")
        self.assertIn(f"running    {FIRST}", self.status(host))
        result = json.loads(load.communicate()[0])
        accepted = result.pop("accepted")
        print(json.dumps(result), file=sys.stderr)
        self.assertEqual(result["failures"], [])
        self.assertEqual(result["sent"], 6000)
        self.assertEqual(len(set(accepted)), result["sent"], "each request began one instance")
        figure(f"upgrade_gap_at_500_per_s_{suite}", result["gap_ms"], "ms", gap_ms)
        until = time.monotonic() + 20
        while len(lines := host.path("/tmp/effects").read_text().splitlines()) < len(accepted) and time.monotonic() < until:
            time.sleep(0.2)
        numbers = sorted(json.loads(line.split(" ", 1)[1])["number"] for line in lines)
        self.assertEqual(numbers, list(range(result["sent"])), "each effect once")

    def test_under_systemd_it_runs_where_the_answers_say_and_again_after_a_reboot(self) -> None:
        host = self.installed("bookworm-systemd", ANSWERS.replace("/var/lib", "/srv") + "[http]\nport = 8500\n[run]\nlanguages = \"shell\"\n")
        self.assertFalse(host.path("/var/lib/travertine").exists())
        self.assertIn(f"running    {FIRST} as process", self.status(host))
        self.assertEqual(host.run("stat -c %U:%a /srv/travertine /etc/travertine").stdout, "travertine:700\nroot:750\n")
        host.halt()
        host.boot()
        host.run("trav-installer check")
        self.bring(host)  # systemd empties /tmp
        host.path("/tmp/say.yaml").write_text(SCRIPT)
        self.assertIn("hello", host.run(
            "trav login --url http://127.0.0.1:8500 --token \"$(cat /srv/travertine/operator.token)\" && trav tenant create acme && "
            "trav workflow apply /tmp/say.yaml --tenant acme && instance=$(trav run test/say --tenant acme) && trav instance watch $instance --tenant acme && trav instance show $instance --tenant acme").stdout)
        self.unpack(host, NEXT)
        host.run("trav-installer stop; ! trav-installer check; trav-installer start; trav-installer check")
        self.assertEqual(host.run("systemctl is-enabled travertine.socket travertine.service").stdout, "enabled\nenabled\n")
        # Another port, from the next start on.
        host.path("/etc/travertine/travd.toml").write_text(ANSWERS.replace("/var/lib", "/srv"))
        host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes && trav tenant list --url {URL} --token \"$(cat /srv/travertine/operator.token)\"")
        host.run("trav-installer uninstall --purge && ! test -e /srv/travertine && ! getent passwd travertine")

    def test_under_systemd_a_version_that_does_not_start_is_left_again(self) -> None:
        host = self.installed("bookworm-systemd")
        drop_in = host.path("/etc/systemd/system/travertine.service.d/fails.conf")
        drop_in.parent.mkdir()
        drop_in.write_text(f"[Service]\nExecStartPre=/bin/sh -c '! readlink /opt/travertine/current | grep {NEXT}'\n")
        host.run("systemctl daemon-reload")
        done = host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(f"{FIRST} is current again and runs", done.stdout)
        self.assertIn("journalctl --unit=travertine.service says why", done.stdout)
        host.run("trav-installer check")
        self.assertIn(f"running    {FIRST} as process", self.status(host))
        drop_in.unlink()
        host.run(f"systemctl daemon-reload; trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes")
        self.assertIn(f"running    {NEXT} as process", self.status(host))

    @unittest.skipIf(shutil.which("rpmbuild") is None, "rpmbuild is not installed: apt-get install rpm")
    def test_another_build_has_the_same_bytes_and_every_package_runs(self) -> None:
        output = self.work / "again"
        environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "TMPDIR": str(self.work)}
        self.bundles.make(FIRST, output, "--packages", env=environment, umask=0o077)
        again = output / self.bundles.file(FIRST).name
        self.assertEqual(again.read_bytes(), self.bundles.file(FIRST).read_bytes())
        host = self.host("bookworm")
        for made in output.iterdir():
            shutil.copy(made, host.path("/tmp"))
        program = f"/opt/travertine/{FIRST}/bin/travd"
        host.run(f"dpkg -i /tmp/travertine-{FIRST}_amd64.deb && {program} --version && dpkg -r travertine-{FIRST} && ! test -e {program}")
        self.runs_elsewhere(host)
        listed = subprocess.run(("rpm", "-qpl", str(output / f"travertine-{FIRST}.x86_64.rpm")), capture_output=True, text=True, check=True)
        self.assertIn(program, listed.stdout.splitlines())
        image = host.path("/tmp/image")
        subprocess.run(("tar", "-xf", str(output / f"travertine-{FIRST}-x86_64.oci.tar"), "--one-top-level=" + str(image)), check=True)
        for blob in (image / "blobs/sha256").iterdir():
            self.assertEqual(hashlib.sha256(blob.read_bytes()).hexdigest(), blob.name)

        def blob_of(descriptor: dict) -> pathlib.Path:
            return image / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")

        manifest = json.loads(blob_of(json.loads((image / "index.json").read_text())["manifests"][0]).read_text())
        entrypoint = json.loads(blob_of(manifest["config"]).read_text())["config"]["Entrypoint"]
        (image / "root/proc").mkdir(parents=True)
        subprocess.run(("tar", "-C", str(image / "root"), "-xzf", str(blob_of(manifest["layers"][0]))), check=True)
        self.assertIn("travd", host.run(f"mount -t proc proc /tmp/image/root/proc && chroot /tmp/image/root {entrypoint[0]} --version").stdout)

    def runs_elsewhere(self, host: bare_host.BareHost) -> None:
        """Both packages in folders that an operator chose, and nothing in /opt."""
        def rpm(*words: str) -> None:
            # On the bare host, which has no rpm: its files and its sh. Its own packages are not in the database of rpm.
            done = subprocess.run(("rpm", "--force-debian", f"--root={host.tree}", "--nodeps", *words), capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

        rpm("--prefix=/srv/by rpm", "-i", f"{host.tree}/tmp/travertine-{FIRST}.x86_64.rpm")
        host.run(f"dpkg-deb --extract /tmp/travertine-{FIRST}_amd64.deb /srv/deb && sh /srv/deb/opt/travertine/{FIRST}/share/relocate.sh")
        self.assertFalse(host.path("/opt/travertine").exists())
        for home in (f"/srv/by rpm/{FIRST}", f"/srv/deb/opt/travertine/{FIRST}"):
            # travd with what it starts: the process of an isolated plugin.
            host.run(f"""cd '{home}/bin'; export TRAV_CONFIG_DIR=/tmp/config; rm -rf /tmp/config /tmp/data
                ./travd --data /tmp/data >/tmp/travd.out 2>&1 & travd=$!
                until grep -q "trav login" /tmp/travd.out; do sleep 0.1; done
                ./$(grep -o "trav login .*" /tmp/travd.out)
                ./trav tenant create acme && ./trav plugin install ../plugins/github-1.0.0.trvp --tenant acme --yes
                ./trav plugin validate ../plugins/github-1.0.0.trvp
                test "$(readlink /proc/$travd/exe)" = '{home}/bin/travd' && grep -q '{home}/lib/libc.so.6' /proc/$travd/maps
                ! grep -q /opt /proc/$travd/maps
                kill $travd; wait $travd""")
            moved = host.run(f"mv '{home}' /srv/moved && ! /srv/moved/bin/trav --version && sh /srv/moved/share/relocate.sh && "
                             "/srv/moved/bin/trav --version && sh /srv/moved/share/relocate.sh && /srv/moved/bin/trav --version").stdout
            self.assertIn(FIRST, moved)
            long = "/srv/" + "/".join(["x" * 100] * 6)
            refused = host.run(f"mkdir -p {long} && mv /srv/moved {long} && sh {long}/moved/share/relocate.sh", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("has room for 511. Choose a shorter folder", refused.stdout)
            host.run(f"rm -rf {long}")

    def test_every_library_is_in_the_bills_of_materials_with_a_licence(self) -> None:
        host = self.host("bookworm")
        self.unpack(host, FIRST)
        files = host.path(f"/tmp/travertine-{FIRST}-x86_64/files")
        libraries = {file.name for file in (files / "lib").iterdir()}
        components = json.loads((files / "share/sbom/travertine.cdx.json").read_text())["components"]
        self.assertEqual({one["value"] for component in components for one in component["properties"]}, libraries)
        packages = json.loads((files / "share/sbom/travertine.spdx.json").read_text())["packages"]
        for name in {component["name"] for component in components}:
            self.assertIn(name, {package["name"] for package in packages})
            self.assertTrue((files / "share/licences" / name / "copyright").stat().st_size > 0)
        pages = list((files / "share/doc").rglob("*.html"))
        self.assertGreater(len(pages), 50)
        for page in pages:
            for target in re.findall(r'href="([^"#:]+)(?:#[^"]*)?"', page.read_text()):
                if target.endswith(".html"):
                    self.assertTrue((page.parent / target).is_file(), f"{page} links to {target}")

    def test_openssl_verifies_the_manifest_in_place_of_gpgv(self) -> None:
        host = self.host("bookworm")
        self.unpack(host, FIRST)
        meta = host.path(f"/tmp/travertine-{FIRST}-x86_64/meta")
        command = ("openssl", "dgst", "-sha256", "-verify", str(self.bundles.output / "release.p256.pem"), "-signature",
                   str(meta / "manifest.json.p256"), str(meta / "manifest.json"))
        self.assertEqual(subprocess.run(command, capture_output=True, text=True).stdout, "Verified OK\n")
        with open(meta / "manifest.json", "a") as manifest:
            manifest.write(" ")
        self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)

    def test_it_asks_on_a_terminal_and_takes_what_is_answered(self) -> None:
        host = self.host("bookworm")
        self.unpack(host, FIRST)
        ours, theirs = os.openpty()
        installs = subprocess.Popen(host.inside("sh", f"/tmp/travertine-{FIRST}-x86_64/install.sh"), stdin=theirs, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True)
        os.write(ours, b"127.0.0.1\n8500\n/srv/travertine\nyes\n")
        printed = installs.communicate(timeout=120)[0]
        os.close(ours)
        os.close(theirs)
        self.assertEqual(installs.returncode, 0, printed)
        self.assertIn("Port of the API [8400]:", printed)
        self.assertIn("API at http://127.0.0.1:8500", printed)
        host.run("trav-installer check && test -f /srv/travertine/operator.token")

    def test_a_version_that_cannot_start_never_stops_the_one_that_runs(self) -> None:
        host = self.installed("bookworm")
        host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes && trav-installer rollback")
        process = re.search(r"as process (\d+)", self.status(host)).group(1)
        host.path("/etc/travertine/travd.toml").write_text(ANSWERS + '[http]\nport = "none"\n')
        host.run("kill -HUP $(cat /run/travertine/supervisor.pid); until grep -q 'ended before it could take over' /var/log/travertine/travd.log; "
                 "do sleep 0.1; done")
        self.assertIn(f"running    {FIRST} as process {process}", self.status(host))
        refused = host.run("trav-installer rollback", check=False)
        self.assertNotEqual(refused.returncode, 0, refused.stdout)
        self.assertIn(f"running    {FIRST} as process {process}", self.status(host))
        self.assertIn(f"current    {FIRST}", self.status(host))
        host.path("/etc/travertine/travd.toml").write_text(ANSWERS)
        host.run("trav-installer rollback && trav-installer check")
        self.assertIn(f"running    {NEXT}", self.status(host))

    def test_kills_of_the_installer_leave_what_runs_running(self) -> None:
        host = self.installed("bookworm")
        for seconds in (0.05, 0.15, 0.25, 0.35, 0.45, 0.6, 0.8):
            host.run(f"timeout -s KILL {seconds} trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes", check=False)
            host.run(f"trav tenant list --url {URL} --token \"$(cat /var/lib/travertine/operator.token)\"")
            self.assertRegex(self.status(host), r"running    0\.[12]\.0")
        host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes && trav-installer check")
        self.assertIn(f"running    {NEXT}", self.status(host))
        self.assertNotIn("broken off", self.status(host))

    def test_the_installed_version_refuses_a_flipped_byte_anywhere(self) -> None:
        host = self.installed("bookworm")
        bundle = host.path(f"/tmp/travertine-{NEXT}-x86_64")
        chance = random.Random(11)
        files = sorted(file for file in bundle.rglob("*") if file.is_file() and file.stat().st_size > 0)
        for file in chance.sample(files, 12) + [bundle / "install.sh", bundle / "files/bin/travd", bundle / "files/lib/libc.so.6"]:
            with open(file, "r+b") as data:
                at = chance.randrange(file.stat().st_size)
                data.seek(at)
                byte = data.read(1)[0]
                data.seek(at)
                data.write(bytes([byte ^ 1 << chance.randrange(8)]))
                data.flush()
                done = host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes", check=False)
                self.assertEqual(done.returncode, 4, f"{file} byte {at}: {done.stdout}")
                data.seek(at)
                data.write(bytes([byte]))
        self.assertIn(f"running    {FIRST}", self.status(host))
        host.run(f"trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes")
        refused = host.run(f"trav-installer upgrade /tmp/travertine-{FIRST}-x86_64 --yes", check=False)
        self.assertEqual(refused.returncode, 4)
        self.assertIn("an older release is not installed anew", refused.stdout)

    def test_nothing_is_written_by_a_dry_run_or_a_preflight_that_fails(self) -> None:
        host = self.host("bookworm")
        self.unpack(host, FIRST)
        before = self.files(host)
        listed = host.run(f"cd /tmp/travertine-{FIRST}-x86_64 && sh install.sh install --yes --dry-run").stdout
        self.assertIn("copy     /opt/travertine/.incoming/bin/travd (0755)", listed)
        self.assertIn("command  useradd --system", listed)
        self.assertEqual(self.files(host), before)
        taken = host.beside("/usr/bin/python3", "-m", "http.server", "8400", "--bind", "127.0.0.1", stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
        self.addCleanup(taken.kill)
        time.sleep(1)
        host.run("mount -t tmpfs -o size=50m tmpfs /opt")
        done = host.run(f"cd /tmp/travertine-{FIRST}-x86_64 && sh install.sh --yes", check=False)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertRegex(done.stdout, r"FAIL disk for programs +found \d+ MiB free in /opt; needed \d+ MiB")
        self.assertRegex(done.stdout, r"FAIL port of the API +found 127\.0\.0\.1:8400: Address already in use; needed free")
        self.assertEqual(self.files(host), before)

    def test_a_disk_that_fills_while_it_is_copied_to_leaves_what_runs_running(self) -> None:
        host = self.host("bookworm")
        self.unpack(host, FIRST, NEXT)
        host.path("/tmp/answers.toml").write_text(ANSWERS)
        host.run("mount -t tmpfs -o size=260m tmpfs /opt")
        host.run(f"sh /tmp/travertine-{FIRST}-x86_64/install.sh --answers /tmp/answers.toml")
        # Others fill the disk behind the preflight.
        host.run("(until [ -d /opt/travertine/.incoming ]; do :; done; head -c 120m /dev/zero >/opt/filled) & "
                 f"! trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes; wait || true; trav-installer check")
        self.assertIn(f"running    {FIRST}", self.status(host))
        host.run(f"rm /opt/filled; trav-installer upgrade /tmp/travertine-{NEXT}-x86_64 --yes; trav-installer check")


def main() -> int:
    if reason := bare_host.reason_to_skip():
        print(f"skipped: {reason}")
        return 77
    if not os.environ.get("TRV_OWN_MOUNTS"):
        # Mounts of a run that is killed end with it.
        os.environ["TRV_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ("unshare", "-m", "--propagation", "private", sys.executable, *sys.argv))
    OnBareHosts.build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="travertine-hosts-") as work:
        OnBareHosts.work = pathlib.Path(work)
        try:
            for suite in bare_host.BASES:
                bare_host.base_tar(suite)
        except OSError as problem:
            print(f"skipped: {problem}")
            return 77
        OnBareHosts.bundles = Bundles(OnBareHosts.build, OnBareHosts.work)
        made = OnBareHosts.bundles.file(FIRST).stat().st_size / 1e6
        figure("bundle_size", made, "MB", 60)
        done = unittest.main(argv=[sys.argv[0], *sys.argv[2:]], exit=False)
    return 0 if done.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
