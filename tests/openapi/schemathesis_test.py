#!/usr/bin/python3
"""travd answers as its OpenAPI document says, whatever it is asked: schemathesis against a real travd.

    schemathesis_test.py BUILD

BUILD: a build folder. schemathesis comes from PyPI into a folder of it. Skipped with exit code 77 where it cannot be had.
Beyond the document, operations that are asked for with a tenant's data that is not there answer 404 and prove little, so
there is a tenant with a workflow, an instance, a hook, a connection and a token. Left out is the event stream, which does
not end, and what changes who owns a shard.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "kernel" / "gateway" / "openapi.json"
VERSION = "4.32.5"
CASES = 15  # of each operation, by chance; those that the document's limits lead to come on top
# An answer may refuse what the document allows: a name that is taken, a workflow that does not compile.
LEFT_OUT_CHECKS = "positive_data_acceptance,ignored_auth,use_after_free,ensure_resource_availability"
LEFT_OUT_PATHS = "/events/stream$|/move$|/drain$|^/status$|^/status\\.(css|js)$"

# What is over a limit is answered 413, which schemathesis does not take for a refusal by itself.
REFUSED = """[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]"""
HOOKS = '''
import json
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return "".join(json.dumps(one) + "\\n" for one in (value if isinstance(value, list) else [value])).encode()
'''

HELLO = """document: {dsl: '1.0.3', namespace: demo, name: hello, version: '1.0.0'}
do:
  - wait: {wait: {hours: 1}}
"""


def program(build: pathlib.Path):
    folder = build / "schemathesis"
    found = folder / "bin" / "schemathesis"
    if found.exists() and VERSION in subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout:
        return found
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", folder], capture_output=True, check=False)
    if made.returncode == 0:
        made = subprocess.run([folder / "bin" / "pip", "-q", "install", f"schemathesis=={VERSION}"], capture_output=True,
                              text=True, check=False)
    if made.returncode == 0:
        return found
    print(f"schemathesis {VERSION} cannot be had: {made.stderr}")
    sys.exit(77)


class Travd:
    def __init__(self, build: pathlib.Path, folder: pathlib.Path):
        self.said = folder / "travd.out"
        with self.said.open("wb") as out:
            self.process = subprocess.Popen([build / "bin" / "travd", "--data", folder / "data", "--port", "0"], stdout=out,
                                            stderr=subprocess.STDOUT)
        for _ in range(600):
            text = self.said.read_text()
            if "trav tenant create" in text:
                break
            time.sleep(0.05)
        self.url = re.search(r"http://[0-9.:]+", text).group()
        self.operator = re.search(r"--token (trv_\S+)", text).group(1)

    def ask(self, method: str, path: str, token: str, body=None, kind="application/json"):
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Authorization": f"Bearer {token}", "Content-Type": kind},
                                         method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def make_acme(self) -> tuple[str, dict]:
        """The tenant, with one of each; its owner's token, and what the parameters of its paths are."""
        owner = self.ask("POST", "/v1/tenants", self.operator, {"id": "acme"})["token"]["token"]
        self.ask("POST", "/v1/tenants/acme/workflows", owner, HELLO, "application/yaml")
        instance = self.ask("POST", "/v1/tenants/acme/workflows/demo/hello/instances", owner, {})["id"]
        self.ask("PUT", "/v1/tenants/acme/connections/service", owner, {"base_url": "https://service.example"})
        return owner, {"tenant": "acme", "namespace": "demo", "name": "hello", "id": instance}


def run(found: pathlib.Path, travd: Travd, token: str, parameters: dict, paths: list, folder: pathlib.Path) -> bool:
    (folder / "hooks.py").write_text(HOOKS)
    lines = ["hooks = \"hooks\"", REFUSED, "[parameters]", *(f"\"path.{name}\" = \"{value}\"" for name, value in parameters.items())]
    (folder / "schemathesis.toml").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [found, "--no-color", "run", DOCUMENT, "--url", travd.url, "--header", f"Authorization: Bearer {token}",
         "--exclude-checks", LEFT_OUT_CHECKS, "--max-examples", str(CASES), "--phases", "coverage,fuzzing",
         "--request-timeout", "30", "--seed", "20", "--continue-on-failure", "--warnings", "off",
         "--exclude-path-regex", LEFT_OUT_PATHS, *paths],
        cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode else "\n".join(done.stdout.splitlines()[-12:]), done.stderr, flush=True)
    return done.returncode == 0


def main() -> int:
    build = pathlib.Path(sys.argv[1])
    found = program(build)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        travd = Travd(build, folder)
        try:
            owner, parameters = travd.make_acme()
            good = run(found, travd, owner, parameters, ["--include-path-regex", "^/v1/tenants/[{]"], folder)
            good = run(found, travd, travd.operator, {}, ["--exclude-path-regex", f"^/v1/tenants/[{{]|{LEFT_OUT_PATHS}"],
                       folder) and good
            if travd.process.poll() is not None:
                print(travd.said.read_text())
                return 1
        finally:
            travd.process.send_signal(signal.SIGTERM)
            ended = travd.process.wait(60)
    return 0 if good and ended == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
