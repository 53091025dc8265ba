"""jq itself, to hold the evaluator against: as a program, or as the library in the package `jq` of PyPI.

Both are answered by `ask(jobs)`: for each job {"program", "inputs"} either {"refused": message} or {"results": [outputs or
None, …]}, None where jq gave no answer (it ended, or needed too long) and the outputs as JSON values otherwise.
"""

import json
import os
import pathlib
import select
import subprocess
import sys

PACKAGE = "jq==1.11.0"  # brings jq 1.8.1
SECONDS_MAX = 2

# Runs in a process of its own: a line of text can end it. One line for each job, a JSON text.
WORKER = r"""
import json, sys
sys.path.insert(0, sys.argv[1])
import jq
for line in sys.stdin:
    job = json.loads(line)
    try:
        program = jq.compile(job["program"])
    except ValueError as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        continue
    results = []
    for value in job["inputs"]:
        try:
            results.append("[" + program.input_text(json.dumps(value)).text().replace("\n", ",") + "]")
        except ValueError:
            results.append("null")
    print('{"results":[' + ",".join(results) + "]}", flush=True)
"""


def install(folder: pathlib.Path) -> str | None:
    """Puts the package into the folder. Why that was not possible, or None."""
    marker = folder / "installed"
    if marker.exists() and marker.read_text() == PACKAGE:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--upgrade", "--target", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return (done.stderr.strip().split("\n") or ["pip failed"])[-1]
    marker.write_text(PACKAGE)
    return None


class Library:
    """The package, in a child that is started anew when it ends or hangs."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.child = None
        self.ended = False  # the last one that gave no answer did not hang

    def start(self):
        self.child = subprocess.Popen([sys.executable, "-c", WORKER, str(self.folder)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})

    def stop(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child.stdin.close()
            self.child.stdout.close()
            self.child = None

    def one(self, job: dict):
        if self.child is None:
            self.start()
        self.child.stdin.write(json.dumps(job).encode() + b"\n")
        self.child.stdin.flush()
        ready, _, _ = select.select([self.child.stdout], [], [], SECONDS_MAX)
        line = self.child.stdout.readline() if ready else b""
        self.ended = bool(ready)
        if not line.endswith(b"\n"):
            self.stop()
            return None
        return json.loads(line)

    def ask(self, jobs: list[dict]) -> list[dict]:
        answers = []
        for job in jobs:
            answer = self.one(job)
            if answer is None and self.ended:  # find the inputs that it does answer
                singles = [self.one({**job, "inputs": [value]}) for value in job["inputs"]]
                answer = {"results": [single["results"][0] if single else None for single in singles]}
            elif answer is None:
                answer = {"results": [None] * len(job["inputs"])}
            answers.append(answer)
        self.stop()
        return answers


class Program:
    """A jq 1.8 on this computer."""

    BEGIN = "begin of an answer"

    def __init__(self, path: str):
        self.path = path

    def one(self, job: dict) -> dict:
        text = json.dumps(self.BEGIN) + ", (" + job["program"] + "\n)"
        values = "\n".join(json.dumps(value) for value in job["inputs"])
        try:
            done = subprocess.run([self.path, "-c", text], input=values, capture_output=True, text=True,
                                  timeout=SECONDS_MAX, env={**os.environ, "TZ": "UTC"})
        except subprocess.TimeoutExpired:
            return {"results": [None] * len(job["inputs"])}
        if done.returncode == 3:
            return {"refused": done.stderr.strip()}
        results = []
        for line in done.stdout.split("\n")[:-1]:
            if line == json.dumps(self.BEGIN):
                results.append([])
            else:
                results[-1].append(json.loads(line))
        if done.returncode < 0:  # a crash: the last answer is not whole
            results = results[:-1]
        return {"results": results + [None] * (len(job["inputs"]) - len(results))}

    def ask(self, jobs: list[dict]) -> list[dict]:
        return [self.one(job) for job in jobs]
