#!/usr/bin/python3
"""Every scenario of the specification's conformance kit against a real travd, over HTTP, from the feature files as they
are. The kit calls two public hosts by name: travd runs in a network and mount namespace of its own, where these names
lead to a stand-in on port 443 (hosts.py) and the system's trusted roots are the stand-in's. Nothing leaves the machine.

kit.py --build <build folder> [--kit <folder with *.feature>]; ends with 77 where it cannot run."""
import argparse
import fcntl
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

import feature
import hosts

PORT = 8080
INSTANCE_S = 30


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


class Refused(Exception):
    pass


class Daemon:
    def __init__(self, build, folder, token=None):
        """`token` of the operator where the folder has the data of an earlier one, which has printed it."""
        self.folder = folder
        configuration = folder / "travd.toml"
        configuration.write_text(f'[data]\nfolder = "{folder}/data"\nmap_gib = 1\n[http]\nport = {PORT}\n'
                                 "[egress]\nallow_private_network = true\n")
        self.out = folder / "out"
        with open(self.out, "wb") as out, open(folder / "log", "wb") as log:
            self.process = subprocess.Popen([build / "bin/travd", "--config", configuration], stdout=out, stderr=log,
                                            env={"HOME": str(folder), "PATH": os.environ["PATH"]})
        self.token = token
        until = time.monotonic() + 30
        while self.token is None or self.ask("GET", "/readyz")[0] != 200:
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit("travd does not start: " + (folder / "log").read_text()[-2000:])
            time.sleep(0.02)
            words = [line.strip() for line in self.out.read_text().splitlines()]
            self.token = token or next((word for word in words if word.startswith("trv_system")), None)
        self.operator, self.tenants = self.token, 0

    def new_tenant(self):
        """Scenarios give other texts to names and versions that others have."""
        self.tenants += 1
        self.token = self.operator
        body = json.dumps({"id": f"kit-{self.tenants}", "display_name": "Kit"})
        status, tenant = self.ask("POST", "/v1/tenants", body)
        assert status == 201, tenant
        self.token = tenant["token"]["token"]
        return f"/v1/tenants/kit-{self.tenants}"

    def ask(self, method, path, body=None, content_type="application/json", headers=None):
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", method=method,
                                         data=None if body is None else body.encode(),
                                         headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type,
                                                  **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] in b"{[" else text
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")
        except OSError:
            return 0, None

    def run(self, definition, given):
        """The instance when it has ended, and its steps."""
        return self.run_in(self.new_tenant(), definition, given)

    def run_in(self, tenant, definition, given):
        """The same in a tenant that is there. Sent again, it goes on with the instance that it has started."""
        status, workflow = self.ask("POST", f"{tenant}/workflows", definition, "application/yaml")
        if status == 400 and "is not supported yet" in workflow["detail"]:
            raise Refused(workflow["detail"])
        assert status in (200, 201), workflow
        path = f"{tenant}/workflows/{workflow['namespace']}/{workflow['name']}/instances"
        status, started = self.ask("POST", path, None if given is None else json.dumps(given),
                                   headers={"Idempotency-Key": "kit"})
        assert status in (200, 201), started
        until = time.monotonic() + INSTANCE_S
        while True:
            status, instance = self.ask("GET", f"{tenant}/instances/{started['id']}")
            assert status == 200, instance
            if instance["status"] != "running":
                break
            assert time.monotonic() < until, f"still running after {INSTANCE_S} s: {instance}"
            time.sleep(0.01)
        steps = self.ask("GET", f"{tenant}/instances/{started['id']}/tasks?limit=100")[1]["items"]
        return instance, steps

    def end(self):
        self.process.terminate()
        code = self.process.wait(30)
        assert code == 0, f"travd ended with {code}: " + (self.folder / "log").read_text()[-2000:]


def at(value, dotted):
    for name in dotted.split("."):
        if not isinstance(value, dict) or name not in value:
            raise AssertionError(f"no property '{dotted}' in {json.dumps(value)[:500]}")
        value = value[name]
    return value


def equal(found, expected):
    assert found == expected, f"{json.dumps(found)[:800]} is not {json.dumps(expected)[:800]}"


class Play:
    def __init__(self, daemon):
        self.daemon, self.definition, self.input = daemon, None, None

    def step(self, step):
        text, document = step
        names = re.findall(r"'([^']*)'", text)
        if text == "a workflow with definition:":
            self.definition = document
        elif text in ("given the workflow input is:", "the workflow input is:"):
            self.input = yaml.safe_load(document)
        elif text == "the workflow is executed":
            self.instance, steps = self.daemon.run(self.definition, self.input)
            self.ran = [one["task"] for one in steps if one["task"] and one["outcome"] not in ("skipped", "started")]
        elif text.startswith("the workflow should complete"):
            equal(self.instance["status"], "completed") if self.instance["error"] is None else equal(
                self.instance["error"], None)
            if document is not None:
                equal(self.instance["output"], yaml.safe_load(document))
        elif text.startswith("the workflow should fault"):
            equal(self.instance["status"], "faulted")
            if document is not None:
                equal(self.instance["error"], yaml.safe_load(document))
        elif text.startswith("the workflow output should have properties"):
            for name in names:
                at(self.instance["output"], name)
        elif text.endswith("property with value:"):
            equal(at(self.instance["output"], names[0]), yaml.safe_load(document))
        elif match := re.fullmatch(r".* property containing (\d+) items", text):
            equal(len(at(self.instance["output"], names[0])), int(match[1]))
        elif match := re.fullmatch(r"(.*) should run first", text):
            equal(self.ran[0], match[1])
        elif match := re.fullmatch(r"(.*) should run last", text):
            equal(self.ran[-1], match[1])
        elif match := re.fullmatch(r"(.*) should run after (.*)", text):
            assert self.ran.index(match[1]) > self.ran.index(match[2]), f"the tasks ran as {self.ran}"
        else:
            raise AssertionError("kit.py does not know the step: " + text)


def prepare(folder):
    """Of this process's namespaces only: the loopback interface, /etc/hosts and the trusted roots."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # SIOCSIFFLAGS with IFF_UP and IFF_RUNNING
        fcntl.ioctl(control, 0x8914, up)
    names = folder / "hosts"
    names.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {host}\n" for host in hosts.HOSTS))
    server = hosts.serve(folder)
    for source, target in ((names, "/etc/hosts"), (folder / "root.pem", "/etc/ssl/certs/ca-certificates.crt")):
        subprocess.run(["mount", "--bind", source, target], check=True)
    return server


def inside(build, kit, folder):
    server = prepare(folder)
    daemon = Daemon(build, folder)
    held, failed = 0, []
    for path in sorted(kit.glob("*.feature")):
        for scenario in feature.scenarios(path):
            name = f"{scenario.feature}: {scenario.name}"
            play = Play(daemon)
            try:
                for step in scenario.steps:
                    play.step(step)
                held += 1
                print(f"holds    {name}")
            except Refused as error:
                failed.append(name)
                print(f"REFUSED  {name}: {error}")
            except (AssertionError, KeyError, TypeError, IndexError, ValueError) as error:
                failed.append(name)
                print(f"FAILS    {name}: {type(error).__name__} {error}")
    daemon.end()
    server.shutdown()
    print(f"conformance kit over HTTP: {held} scenarios hold, {len(failed)} do not; "
          f"the stand-in answered {len(hosts.Handler.seen)} requests")
    if held + len(failed) == 0:
        skip(f"no scenario in {kit}")
    return 1 if failed else 0


def main(run=inside, script=__file__):
    """`run` in namespaces of its own: `script` is started again there."""
    source = pathlib.Path(__file__).resolve().parents[2]
    shared = os.environ.get("TRV_CONFORMANCE_DIR", source.parent / "shared/conformance")
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--kit", type=pathlib.Path, default=pathlib.Path(shared) / "open-workflow/ctk")
    parser.add_argument("--inside", type=pathlib.Path, help="internal: runs in the namespaces, with this folder")
    arguments = parser.parse_args()
    if arguments.inside:
        return run(arguments.build, arguments.kit, arguments.inside)
    if not arguments.kit.is_dir():
        skip(f"no conformance kit at {arguments.kit}")
    for program in ("unshare", "openssl", "mount"):
        if subprocess.run(["which", program], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            skip(f"there is no program '{program}'")
    namespaces = ["unshare", "--net", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        namespaces += ["--user", "--map-root-user"]
    tried = subprocess.run([*namespaces, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        skip("no namespaces of its own can be had here: " + tried.stderr.strip())
    if not os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
        skip("/etc/ssl/certs/ca-certificates.crt is not there; install ca-certificates")
    with tempfile.TemporaryDirectory(prefix="trv-kit-") as folder:
        return subprocess.run([*namespaces, sys.executable, os.path.abspath(script), "--build", arguments.build.resolve(),
                               "--kit", arguments.kit.resolve(), "--inside", folder], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
