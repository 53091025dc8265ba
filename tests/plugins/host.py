"""travd as a process, with one tenant, for tests that call operations of plugins through workflows."""

import json
import os
import subprocess
import time

WAIT_S = 60
WORKFLOW = """
document: {{dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0'}}
do:
  - ask:
      call: {plugin}.{operation}:1.0.0@default
      metadata: {{connection: {connection}}}
      with: {given}
"""


class Host:
    def __init__(self, build, folder, **environment):
        self.build, self.folder, self.runs = build, folder, 0
        self.environment = {"HOME": str(folder), "PATH": f"{build}/bin:{os.environ['PATH']}", "TRAV_CONFIG_DIR": f"{folder}/config",
                            "LANG": "C.UTF-8", "TRAV_EFFECTS_TRIES_MAX": "2", **environment,
                            **{name: value for name, value in os.environ.items() if name == "TRAV_PLUGINS_ISOLATION"}}
        self.out = folder / "out"
        with open(self.out, "wb") as out, open(folder / "log", "wb") as log:
            self.process = subprocess.Popen([build / "bin/travd", "--data", folder / "data", "--port", "0"], stdout=out, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment)
        try:
            login = self.line("trav login").split()
            self.environment["TRAV_URL"] = next(word for line in self.out.read_text().splitlines() if "is ready at " in line
                                                for word in line.split() if word.startswith("http")).rstrip(",.")
            self.trav(*login[login.index("login"):])
            self.trav("tenant", "create", "acme", "--name", "Acme")
        except BaseException:
            self.end()
            raise

    def install(self, plugin):
        self.trav("plugin", "install", self.build / f"packages/{plugin}-1.0.0.trvp", "--tenant", "acme", "--yes")

    def connect(self, name, plugin, base_url, *auth):
        self.trav("connection", "set", name, "--tenant", "acme", "--plugin", plugin, "--base-url", base_url, "--allow-private-network", *auth)

    def line(self, words):
        until = time.monotonic() + WAIT_S
        while True:
            for line in self.out.read_text().splitlines():
                if words in line:
                    return line
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError("travd does not start: " + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def trav(self, *arguments):
        result = subprocess.run([self.build / "bin/trav", *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=WAIT_S)
        if result.returncode != 0:
            raise AssertionError(f"trav {arguments} ended with {result.returncode}: {result.stderr}{result.stdout}")
        return result.stdout

    def start(self, plugin, connection, operation, given):
        """The id of the instance that makes this one call."""
        self.runs += 1
        file = self.folder / "workflow.yaml"
        file.write_text(WORKFLOW.format(name=f"run-{self.runs}", plugin=plugin, operation=operation, connection=connection,
                                        given=json.dumps(given)))
        self.trav("workflow", "apply", file, "--tenant", "acme")
        return self.trav("run", f"test/run-{self.runs}", "--tenant", "acme").strip()

    def ended(self, instance):
        until = time.monotonic() + WAIT_S
        while True:
            shown = json.loads(self.trav("instance", "show", instance, "--tenant", "acme", "--output", "json"))
            if shown["status"] != "running":
                return shown
            if time.monotonic() > until:
                raise AssertionError(f"still running: {shown}")
            time.sleep(0.02)

    def end(self):
        self.process.terminate()
        self.process.wait(WAIT_S)
