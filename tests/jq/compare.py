#!/usr/bin/python3
"""Holds the evaluator of expressions against jq itself: cases that are always the same, and random programs.

    compare.py RUNNER FOLDER [--seed N] [--random N] [--only TEXT] [--jq PROGRAM]

RUNNER: build/<preset>/bin/trv_jq_runner. FOLDER: where the library jq of PyPI is put, and looked for. Without --jq, whose
PROGRAM is a jq 1.8, that library is asked; where it cannot be installed the test is skipped: exit code 77. Exits 1 where
an answer differs that is not in differences.py, or where an entry there is of no use any more; prints each with its
program and input. Messages of errors are compared by kernel/expression's own tests, not here.
"""

import argparse
import concurrent.futures
import json
import math
import pathlib
import subprocess
import sys
import time

import cases
import differences
import oracle
import programs

SHOWN_MAX = 40
UNANSWERED_SHARE = 200  # one in so many, at most


def wrapped(program: str) -> str:
    """Outputs before an error count, too."""
    return "try ({o: (" + program + "\n)}) catch {e: .}"


def number(value) -> float:
    try:
        real = float(value)
    except OverflowError:
        real = math.inf if value > 0 else -math.inf
    return math.copysign(sys.float_info.max, real) if math.isinf(real) else real


def same(ours, theirs) -> bool:
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return number(ours) == number(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def same_output(ours: dict, theirs: dict) -> bool:
    if "e" in ours and "e" in theirs and isinstance(ours["e"], str) and isinstance(theirs["e"], str):
        return True
    return same(ours, theirs)


def same_result(ours, theirs) -> bool:
    return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same_output, ours, theirs))


class Comparison:
    def __init__(self):
        self.compared = self.accepted = self.unanswered = self.different = 0
        self.used = set()

    def hold(self, program: str, value, ours, theirs):
        """One result against the other; a text of ours is why the program was stopped, of theirs why it was refused."""
        self.compared += 1
        if theirs is None:
            self.unanswered += 1
            return
        if isinstance(theirs, str) and isinstance(ours, str) or not isinstance(theirs, str) and same_result(ours, theirs):
            return
        for at, difference in enumerate(differences.ACCEPTED):
            if difference.covers(program, value, ours, theirs):
                self.used.add(at)
                self.accepted += 1
                return
        self.different += 1
        if self.different <= SHOWN_MAX:
            print(f"differs: {program}\n  input: {json.dumps(value)}\n  ours:  {json.dumps(ours)}\n  jq's:  {json.dumps(theirs)}")


def ask_runner(runner: str, jobs: list[dict]) -> list[dict]:
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run([runner], input=text, capture_output=True, text=True, timeout=600)
    answers = done.stdout.split("\n")[:-1]
    if done.returncode != 0 or len(answers) != len(jobs):
        sys.exit(f"the evaluator ended (exit code {done.returncode}): {done.stderr.strip()}\n  program: {jobs[len(answers)]['program']}")
    return [json.loads(answer) for answer in answers]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=4000)
    parser.add_argument("--only")
    parser.add_argument("--jq")
    options = parser.parse_args()
    began = time.monotonic()
    if options.jq is None:
        missing = oracle.install(options.folder)
        if missing is not None:
            print(f"skipped: the package {oracle.PACKAGE} cannot be installed: {missing}")
            return 77
    ask = (lambda: oracle.Program(options.jq)) if options.jq else (lambda: oracle.Library(options.folder))
    theirs_have, = ask().ask([{"program": "builtins", "inputs": [None]}])
    ours_have, = ask_runner(options.runner, [{"program": "builtins", "inputs": [None]}])
    builtins = sorted(set(theirs_have["results"][0][0]) - differences.LEFT_OUT)
    failures = 0
    for builtin in sorted(set(builtins) ^ set(ours_have["results"][0][0])):
        failures += 1
        print(f"{builtin} is {'missing' if builtin in builtins else 'no function of jq'}")
    jobs = [{"program": program, "inputs": inputs} for program, inputs in cases.cases(builtins)]
    jobs += [{"program": program, "inputs": inputs} for program, inputs in programs.programs(options.seed, options.random)]
    if options.only:
        jobs = [job for job in jobs if options.only in job["program"]]
    sent = [{"program": wrapped(job["program"]), "inputs": job["inputs"]} for job in jobs]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ours_later = pool.submit(ask_runner, options.runner, sent)
        halves = [pool.submit(ask().ask, sent[at::2]) for at in range(2)]
        ours = ours_later.result()
        theirs = [None] * len(sent)
        for at, half in enumerate(halves):
            theirs[at::2] = half.result()
    comparison = Comparison()
    for job, our, their in zip(jobs, ours, theirs):
        for at, value in enumerate(job["inputs"]):
            comparison.hold(job["program"], value, our.get("refused") or our["results"][at],
                            their.get("refused") or their["results"][at])
    if not options.only and not options.jq:
        for at, difference in enumerate(differences.ACCEPTED):
            if difference.always and at not in comparison.used:
                failures += 1
                print(f"nothing differs as differences.py says: {difference.program}: {difference.reason}")
    print(f"{len(jobs)} programs (seed {options.seed}), {comparison.compared} cases: {comparison.different} differ, "
          f"{comparison.accepted} differ for a reason of differences.py, {comparison.unanswered} not answered by jq; "
          f"{time.monotonic() - began:.0f} s")
    if comparison.unanswered * UNANSWERED_SHARE > comparison.compared:
        failures += 1
        print("jq gave too few answers")
    return 1 if failures or comparison.different or comparison.compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
