#!/usr/bin/env python3
"""What it costs to watch a node: time of processors and p99 of a start of a workflow, with each kind of telemetry and with none.

    telemetry.py BUILD [--seconds S] [--rounds N] [--load N]

A node for each kind; they are driven in turns at the same rate, and a ratio is of two turns of one round. The order
changes from round to round. The receiver and the scraper are in this process. Prints JSON lines as the programs of bench/
do.
"""

import argparse
import contextlib
import http.server
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import urllib.request

from nodes import Cluster, progress, report

CONNECTIONS = 16
LOAD = 4_000  # starts a second, which a node does with half its strength
SCRAPED_EVERY_S = 5
GOAL = 3


class Sink:
    """Takes what comes over OTLP/HTTP and looks at nothing."""

    def __init__(self):
        sink = self
        self.bytes = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                self.rfile.read(length)
                sink.bytes[self.path] = sink.bytes.get(self.path, 0) + length
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextlib.contextmanager
def scraped(url, every_s):
    """Reads /metrics at once and then so often; 0: never."""
    over = threading.Event()

    def scrape():
        while not over.is_set():
            with urllib.request.urlopen(url + "/metrics", timeout=60) as answer:
                answer.read()
            over.wait(every_s)

    thread = threading.Thread(target=scrape, daemon=True)
    if every_s:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if every_s:
            thread.join()


@contextlib.contextmanager
def environment(settings):
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]


def processor_us(node):
    """Of all its threads, to the nanosecond: a spell is too short for the clock ticks of /proc/PID/stat."""
    total = 0
    for thread in pathlib.Path(f"/proc/{node.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e3


def spell(cluster, every_s, options):
    """(microseconds of processors a start, p99 ms)"""
    with scraped(cluster.first.url, every_s):
        before = processor_us(cluster.first)
        rate, _, p99 = cluster.drive(options.seconds, CONNECTIONS, options.load)
        return (processor_us(cluster.first) - before) / (rate * options.seconds), p99


def kinds_of(url):
    """name: (environment, seconds between scrapes)"""
    sent = {"TRAV_TELEMETRY_OTLP_ENDPOINT": url}
    return {"nothing": ({}, 0),
            "metrics_scraped": ({}, SCRAPED_EVERY_S),
            "otlp_10_percent": (sent | {"TRAV_TELEMETRY_TRACES_PERCENT": "10"}, 0),
            "otlp_100_percent": (sent | {"TRAV_TELEMETRY_TRACES_PERCENT": "100"}, 0)}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--load", type=int, default=LOAD)
    options = parser.parse_args(arguments)
    build, sink = options.build.resolve(), Sink()
    kinds = kinds_of(sink.url)
    seen = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        clusters = {}
        for name, (settings, _) in kinds.items():
            with environment(settings):
                clusters[name] = running.enter_context(Cluster(build, folder, 1, 1))
            clusters[name].drive(2, CONNECTIONS, options.load)
        for turn in range(options.rounds):
            names = list(kinds)
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                seen[name].append(spell(clusters[name], kinds[name][1], options))
            progress(f"round {turn + 1} of {options.rounds}: " +
                     ", ".join(f"{name} {all_[-1][0]:.1f} us" for name, all_ in seen.items()))
    base = [cpu for cpu, _ in seen["nothing"]]
    for name in list(kinds)[1:]:
        more = [100 * (cpu / none - 1) for (cpu, _), none in zip(seen[name], base)]
        report(f"telemetry_{name}_cpu_of_a_start", statistics.median(more), "% more", goal=f"<= {GOAL}", compares_with="nothing",
               least=round(min(more), 1), most=round(max(more), 1), without_us=round(statistics.median(base), 1),
               starts_per_second=options.load)
        report(f"telemetry_{name}_p99_of_a_start", statistics.median(p99 for _, p99 in seen[name]), "ms", compares_with="nothing",
               without=statistics.median(p99 for _, p99 in seen["nothing"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
