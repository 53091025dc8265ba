#!/usr/bin/env python3
"""Runs clang-tidy over the product's sources of a build folder; exits 1 where it finds something.

Tests and benches are left to the compiler and the house rules: they are a third of all sources and would double the time.

A file that was clean is not looked at again until its preprocessed text, its own text, .clang-tidy or clang-tidy itself
changes: ~/.cache/travertine/tidy (or below $XDG_CACHE_HOME) holds an empty file named by the SHA-256 of these. An unchanged
file costs its preprocessing.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
FINDING = re.compile(r"^(/[^:\n]+):(\d+):(\d+): (?:warning|error): (.*)$")
SLOWEST_SHOWN = 5


def is_product(path: str) -> bool:
    return not path.endswith("_test.cpp") and not path.startswith(("tests/", "bench/")) and "/test_plugins/" not in path


class Unit(NamedTuple):
    path: str  # from the root
    folder: str  # where its command runs
    command: list[str]  # the compiler and its arguments, without output and source


class Outcome(NamedTuple):
    path: str
    findings: list[str]
    cached: bool
    seconds: float


def run(command: list[str], folder: str = str(ROOT)) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def read_units(build: pathlib.Path, only: list[str]) -> list[Unit]:
    """One unit for each tracked source that the build compiles."""
    listing = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.cpp"])
    if listing.returncode != 0:
        sys.exit(f"tidy.py: git ls-files failed: {listing.stderr.decode().strip()}")
    tracked = set(listing.stdout.decode().split("\0")) - {""}
    units = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        path = str(source.relative_to(ROOT)) if source.is_relative_to(ROOT) else ""
        if path not in tracked or path in units or not is_product(path) or (only and not any(part in path for part in only)):
            continue
        words = shlex.split(entry["command"])
        kept, skip = [], False
        for word in words:
            if skip or word in ("-c", "-o"):
                skip = word == "-o" and not skip
            elif word != entry["file"]:
                kept.append(word)
        units[path] = Unit(path, entry["directory"], kept)
    return list(units.values())


def clang_arguments(unit: Unit) -> list[str]:
    """What clang needs of g++'s command line: where to look and what is defined. Warnings are g++'s business."""
    is_compiler = re.compile(r"(^|[/-])(c|g|clang)\+\+[-\w.]*$").search
    at = next(i for i, word in enumerate(unit.command) if is_compiler(word))
    return [word for word in unit.command[at + 1:]
            if not word.startswith(("-W", "-g", "-O", "-fsanitize", "-fno-sanitize", "-fconcepts", "-fmax-errors",
                                    "-fno-gnu-unique"))]


def fingerprint(unit: Unit, settings: bytes) -> str | None:
    """None where the source does not compile: clang-tidy will say why."""
    same_in_every_checkout = f"-fmacro-prefix-map={ROOT}=."  # contracts spell out __FILE__
    preprocessed = run([*unit.command, same_in_every_checkout, "-E", "-P", unit_source(unit)], unit.folder)
    if preprocessed.returncode != 0:
        return None
    digest = hashlib.sha256(settings)
    for part in (preprocessed.stdout, (ROOT / unit.path).read_bytes()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def unit_source(unit: Unit) -> str:
    return str(ROOT / unit.path)


def read_findings(output: str) -> list[str]:
    """A finding and the lines that explain it, with paths from the root: staged headers are links into the tree."""
    findings = []
    for line in output.splitlines():
        if match := FINDING.match(line):
            path = pathlib.Path(match.group(1)).resolve()
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            findings.append(f"{shown}:{match.group(2)}:{match.group(3)}: {match.group(4)}")
        elif findings and re.match(r"\s+(\d+ )?\|", line):
            findings[-1] += "\n" + line
    return findings


def check(unit: Unit, settings: bytes, cache: pathlib.Path, tidy: str) -> Outcome:
    began = time.monotonic()
    key = fingerprint(unit, settings)
    mark = cache / key if key else None
    if mark and mark.exists():
        os.utime(mark)
        return Outcome(unit.path, [], True, time.monotonic() - began)
    done = run([tidy, "--quiet", unit_source(unit), "--", *clang_arguments(unit)], unit.folder)
    findings = read_findings(done.stdout.decode(errors="replace"))
    if done.returncode != 0 and not findings:
        findings = [f"{unit.path}:1:1: {tidy} failed: {done.stderr.decode(errors='replace').strip()}"]
    if mark and not findings:
        mark.touch()
    return Outcome(unit.path, findings, False, time.monotonic() - began)


def forget_old(cache: pathlib.Path, days: int = 30) -> None:
    limit = time.time() - days * 86400
    for mark in cache.iterdir():
        if mark.stat().st_mtime < limit:
            mark.unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path, help="build folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tidy", default="clang-tidy-19", help="the program to run")
    parser.add_argument("only", nargs="*", help="look only at sources whose path contains one of these")
    options = parser.parse_args()
    if not (options.build / "compile_commands.json").is_file():
        parser.error(f"{options.build}/compile_commands.json is missing: "
                     "configure with CMAKE_EXPORT_COMPILE_COMMANDS=ON")
    version = run([options.tidy, "--version"])
    settings = version.stdout + (ROOT / ".clang-tidy").read_bytes()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "travertine" / "tidy"
    cache.mkdir(parents=True, exist_ok=True)
    forget_old(cache)

    units = read_units(options.build, options.only)
    if not units:
        sys.exit("tidy.py: the build folder compiles none of these sources: nothing was checked")
    began = time.monotonic()
    findings: dict[str, None] = {}
    outcomes = []
    on_terminal = sys.stderr.isatty()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(check, unit, settings, cache, options.tidy) for unit in units]
        for count, future in enumerate(concurrent.futures.as_completed(running), 1):
            outcome = future.result()
            outcomes.append(outcome)
            for finding in outcome.findings:
                if finding not in findings:
                    findings[finding] = None
                    print(finding, flush=True)
            if on_terminal:
                print(f"\r[{count}/{len(units)}] {outcome.path[:60]:60}", end="", file=sys.stderr, flush=True)
            elif count % 25 == 0:
                print(f"[{count}/{len(units)}] {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if on_terminal:
        print(file=sys.stderr)
    fresh = sorted((outcome for outcome in outcomes if not outcome.cached), key=lambda outcome: -outcome.seconds)
    print(f"clang-tidy: {len(units)} files, {len(fresh)} looked at, {len(findings)} findings, "
          f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if len(fresh) > SLOWEST_SHOWN:
        slowest = ", ".join(f"{outcome.path} {outcome.seconds:.0f} s" for outcome in fresh[:SLOWEST_SHOWN])
        print(f"slowest: {slowest}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
