#!/usr/bin/python3
"""A plugin through travd against a service made from that service's own OpenAPI description: each example of the manifest makes
requests that the description knows, and of its example answer an output that the manifest's schema takes.

    described_test.py BUILD PLUGIN DESCRIPTION [PREFIX]"""

import json
import pathlib
import sys
import tempfile

from host import Host
from openapi import Description, StandIn

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    build, plugin, description = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], pathlib.Path(sys.argv[3])
    prefix = sys.argv[4] if len(sys.argv) > 4 else ""
    manifest = json.loads((ROOT / "plugins" / plugin / "manifest.json").read_text())
    server = StandIn(Description(json.loads(description.read_text())), prefix)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        host = Host(build, pathlib.Path(folder), KEY="a-token")
        try:
            host.install(plugin)
            host.connect("service", plugin, server.url, "--auth", "bearer", "--secret-env", "KEY")
            started = [(operation["name"], host.start(plugin, "service", operation["name"], example))
                       for operation in manifest["operations"] for example in operation["input"]["examples"]]
            for name, instance in started:
                shown = host.ended(instance)
                if shown["status"] != "completed":
                    failed.append(f"{name}: {shown['error']}")
        finally:
            host.end()
    for problem in server.wrong + failed:
        print(problem, file=sys.stderr)
    print(f"{plugin}: {len(started)} examples, {len(server.seen)} requests, {len(server.wrong)} against the description, "
          f"{len(failed)} failed")
    sys.exit(1 if server.wrong or failed or not started else 0)


if __name__ == "__main__":
    main()
