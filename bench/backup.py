#!/usr/bin/env python3
"""What backups cost and give: their rate, what they take from running load, and how soon a drill is back.

    backup.py BUILD [--seconds S] [--pairs N]

The cost is the time of processors for each start of a workflow, in turns with and without backups each second, on one
machine with the client. Prints JSON lines as the programs of bench/ do.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from nodes import Cluster, processor_seconds, progress, report

CONNECTIONS = 16
LOAD = 4_000  # starts a second, which a node does with half its strength
BACKUPS = {"TRAV_BACKUP_TARGET", "TRAV_BACKUP_INTERVAL_SECONDS"}


def spell(build, folder, target, seconds):
    """(microseconds of processors a start, p99 ms)"""
    if target is not None:
        os.environ.update(TRAV_BACKUP_TARGET=str(target), TRAV_BACKUP_INTERVAL_SECONDS="1")
    try:
        with Cluster(build, folder, 1, 1) as cluster:
            cluster.drive(2, CONNECTIONS, LOAD)
            before = processor_seconds(cluster.nodes)
            rate, _, p99 = cluster.drive(seconds, CONNECTIONS, LOAD)
            return 1e6 * (processor_seconds(cluster.nodes) - before) / (rate * seconds), p99
    finally:
        for name in BACKUPS:
            os.environ.pop(name, None)


def measure_cost(build, folder, seconds, pairs):
    without, with_them = [], []
    for pair in range(pairs):
        progress(f"pair {pair + 1} of {pairs}")
        without.append(spell(build, folder, None, seconds))
        with_them.append(spell(build, folder, folder / f"target-{pair}", seconds))
    ratios = [b[0] / a[0] for a, b in zip(without, with_them)]
    report("backup_cost_cpu_of_a_start", 100 * (statistics.median(ratios) - 1), "% more", goal="<= 5",
           compares_with="no backups", least=round(100 * (min(ratios) - 1), 1), most=round(100 * (max(ratios) - 1), 1),
           starts_per_second=LOAD)
    report("backup_p99_of_a_start", statistics.median(b[1] for b in with_them), "ms",
           compares_with="no backups", without=statistics.median(a[1] for a in without))


def trav(build, *arguments):
    began = time.monotonic()
    done = subprocess.run([build / "bin/trav", *arguments, "--output", "json"], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout), time.monotonic() - began


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure_rate(build, folder, seconds):
    target = folder / "target"
    with Cluster(build, folder, 1, 1) as cluster:
        progress("filling a log")
        cluster.drive(seconds, 48)
        data = cluster.first.folder / "data"
        _, took = trav(build, "backup", "create", target, "--data", data)
        size = size_of(target)
        report("backup_create", size / took / 1e6, "MB/s", bytes=size, seconds=round(took, 2))
        _, took = trav(build, "backup", "verify", target)
        report("backup_verify", size / took / 1e6, "MB/s", seconds=round(took, 2))
        progress("a drill")
        drill, took = trav(build, "backup", "drill", target, "--data", data)
        report("backup_drill", took, "s", **{key: value for key, value in drill.items() if isinstance(value, (int, float, bool))})


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure_rate(options.build.resolve(), pathlib.Path(folder), options.seconds)
        measure_cost(options.build.resolve(), pathlib.Path(folder), options.seconds, options.pairs)


if __name__ == "__main__":
    main(sys.argv[1:])
