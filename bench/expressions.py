#!/usr/bin/python3
"""Expressions as workflows use them, against the library jq of PyPI (jq 1.8): one compiled program, many inputs, JSON text in and
out on both sides, in a process of its own each; its start and the compilation are not counted.

    expressions.py BUILD [INPUTS]     BUILD: build/<preset>; INPUTS: 50000 by default

Prints for each program microseconds an evaluation, and the ratio to jq's: below 1 is faster than jq.
"""

import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "jq"))
import oracle  # noqa: E402

ISSUE = {"action": "opened", "issue": {"number": 42, "title": "It does not start", "labels": [{"name": "bug"}, {"name": "urgent"}],
                                       "user": {"login": "ada"}, "body": "x" * 200}, "items": [{"n": i, "ok": i % 3 == 0} for i in range(20)]}
PROGRAMS = {
    "field": ".issue.title",
    "condition": '.action == "opened" and (.issue.labels | any(.name == "urgent"))',
    "interpolation": '"#\\(.issue.number) \\(.issue.title) by \\(.issue.user.login // "nobody")"',
    "object": "{id: .issue.number, labels: [.issue.labels[].name], title: (.issue.title | ascii_downcase)}",
    "filter": "[.items[] | select(.ok) | .n] | add",
    "update": ".issue.labels |= map(.name) | .issue.number += 1 | del(.items)",
    "group": "[.items[] | {n, odd: (.n % 2)}] | group_by(.odd) | map({odd: .[0].odd, sum: (map(.n) | add)})",
}
JQ = r"""
import sys, time
sys.path.insert(0, sys.argv[1])
import jq
program, count, text = sys.argv[2], int(sys.argv[3]), sys.argv[4]
compiled = jq.compile(program)
began = time.perf_counter()
for _ in range(count):
    compiled.input_text(text).text()
print(time.perf_counter() - began)
"""


def ours(runner: pathlib.Path, program: str, count: int) -> float:
    def run(inputs: int) -> float:
        text = '{"program":' + json.dumps(program) + ',"inputs":[' + ",".join([json.dumps(ISSUE)] * inputs) + "]}\n"
        began = time.perf_counter()
        subprocess.run([runner], input=text.encode(), stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began
    chunk = 500  # the runner takes lines of at most a megabyte
    return sum(run(chunk) - run(1) for _ in range(max(1, count // chunk))) * count / (max(1, count // chunk) * (chunk - 1))


def main(arguments: list[str]) -> int:
    build = pathlib.Path(arguments[0])
    count = int(arguments[1]) if len(arguments) > 1 else 50_000
    folder = build / "jq_library"
    missing = oracle.install(folder)
    if missing is not None:
        print(f"expressions: nothing to compare with: {missing}", file=sys.stderr)
        return 1
    for name, program in PROGRAMS.items():
        theirs = float(subprocess.run([sys.executable, "-c", JQ, str(folder), program, str(count), json.dumps(ISSUE)],
                                      capture_output=True, check=True).stdout)
        mine = ours(build / "bin" / "trv_jq_runner", program, count)
        ratio = mine / theirs
        print(json.dumps({"name": f"expression_{name}", "value": round(mine / count * 1e6, 2), "unit": "us/evaluation",
                          "compares_with": oracle.PACKAGE, "ratio": round(ratio, 3), "floor": "ratio <= 1", "holds": ratio <= 1},
                         separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
