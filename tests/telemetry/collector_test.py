#!/usr/bin/python3
"""What a real OpenTelemetry Collector takes of travd: one trace from a client's request to a plugin's, every metric, the log.

    collector_test.py BUILD

Skipped with exit code 77 where the collector was not fetched (`./dev collector up`).
"""

import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "plugins"))
from host import WORKFLOW, Host  # noqa: E402

COLLECTOR = HERE / "collector.sh"
WAIT_S = 60
TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SIGNALS = {"traces": ("resourceSpans", "scopeSpans", "spans"), "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
           "logs": ("resourceLogs", "scopeLogs", "logRecords")}


PLUGIN = """
from travertine_plugin import Plugin

plugin = Plugin()


@plugin.operation("fetch")
def fetch(call):
    call.log.warning("the page is looked up slowly")
    with call.span("look up", page=call.input["page"]):
        answer = call.http("GET", "/" + call.input["page"])
    return {"content": answer.text}


@plugin.operation("echo")
def echo(call):
    return call.input


plugin.run()
"""


class Service:
    """Keeps the traceparent of what is asked."""

    def __init__(self):
        service = self
        self.traceparents = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.traceparents.append(self.headers["traceparent"])
                self.send_response(200)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"page")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


class Collector:
    def __init__(self, folder):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}"

    def start(self):
        subprocess.run([COLLECTOR, "start", self.folder, str(self.port)], check=True)

    def stop(self):
        subprocess.run([COLLECTOR, "stop", self.folder], check=True)

    def taken(self, signal):
        """Each with the attributes of its resource and the name of its scope."""
        resources, scopes, items = SIGNALS[signal]
        lines = (self.folder / "lines").read_text().splitlines() if (self.folder / "lines").exists() else []
        return [{**item, "of": attributes(of["resource"]), "scope": scope["scope"]} for line in lines
                for of in json.loads(line).get(signal, {}).get(resources, []) for scope in of[scopes] for item in scope[items]]

    def spans(self):
        return {span["spanId"]: span for span in self.taken("traces") if span["traceId"] == TRACE}


def attributes(item):
    return {one["key"]: next(iter(one["value"].values())) for one in item.get("attributes", [])}


def until(holds, what):
    end = time.monotonic() + WAIT_S
    while not (found := holds()):
        assert time.monotonic() < end, what()
        time.sleep(0.1)
    return found


def begin_trace(host, service):
    """Starts a workflow that calls a plugin, which asks the service, as a part of the client's trace."""
    plugin = host.folder / "pages"
    host.trav("plugin", "new", plugin, "--language", "python")
    (plugin / "program/main.py").write_text(PLUGIN)
    host.trav("plugin", "pack", plugin, "--output", host.folder / "pages.trvp")
    host.trav("plugin", "install", host.folder / "pages.trvp", "--tenant", "acme", "--yes")
    host.connect("library", "pages", service.url)
    file = host.folder / "look.yaml"
    file.write_text(WORKFLOW.format(name="look", plugin="pages", operation="fetch", connection="library", given='{"page": "one"}'))
    host.trav("workflow", "apply", file, "--tenant", "acme")
    token = re.search(r"trv_\S+", host.trav("token", "create", "test", "--role", "owner", "--tenant", "acme"))[0]
    request = urllib.request.Request(host.environment["TRAV_URL"] + "/v1/tenants/acme/workflows/test/look/instances", b"{}",
                                     {"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                                      "traceparent": f"00-{TRACE}-{CLIENT}-01"})
    urllib.request.urlopen(request, timeout=WAIT_S).close()


def check_trace(spans, service):
    """From what the service saw back to the client, and what the plugin said of its call beside it."""
    chain, at = [], service.traceparents[0].split("-")[2]
    while at in spans:
        chain.append(spans[at])
        at = spans[at].get("parentSpanId", "")
    names = [span["name"] for span in chain]
    assert at == CLIENT, (names, at)
    assert names == ["GET", "pages.fetch", "effect pages.fetch", "command",
                     "POST /v1/tenants/{tenant}/workflows/{namespace}/{name}/instances"], names
    assert [span["kind"] for span in chain] == [3, 3, 1, 1, 2], chain
    for inner, outer in zip(chain, chain[1:]):
        assert int(outer["startTimeUnixNano"]) <= int(inner["startTimeUnixNano"]), (inner, outer)
    assert all(attributes(span)["tenant"] == "acme" and not span.get("status") for span in chain), chain
    request, call = chain[0], chain[1]
    assert attributes(request)["plugin"] == attributes(call)["plugin"] == "pages", (request, call)
    # An integer, which the protocol writes as text.
    assert {"key": "http.response.status_code", "value": {"intValue": "201"}} in chain[-1]["attributes"], chain[-1]
    named = next(span for span in spans.values() if span["name"] == "look up")
    assert named["parentSpanId"] == call["spanId"] and attributes(named)["page"] == "one", named
    return names, call


def check_metrics(host, collector):
    with urllib.request.urlopen(host.environment["TRAV_URL"] + "/metrics", timeout=WAIT_S) as answer:
        names = set(re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.MULTILINE))
    metrics = until(lambda: (found := {one["name"]: one for one in collector.taken("metrics")}) and names == set(found) and found,
                    lambda: names ^ {one["name"] for one in collector.taken("metrics")})
    counter = metrics["travertine_records_total"]["sum"]
    assert counter["aggregationTemporality"] == 2 and counter["isMonotonic"], counter
    assert sum(point["asDouble"] for point in counter["dataPoints"]) > 10, counter
    histogram = metrics["travertine_http_request_duration_seconds"]["histogram"]["dataPoints"][0]
    assert sum(map(int, histogram["bucketCounts"])) == int(histogram["count"]) > 0, histogram
    assert len(histogram["bucketCounts"]) == len(histogram["explicitBounds"]) + 1, histogram
    # The newest request of its bucket, which is that of the trace or one that began its own.
    exemplars = [one for family in collector.taken("metrics") if family["name"] == "travertine_http_request_duration_seconds"
                 for point in family["histogram"]["dataPoints"] for one in point.get("exemplars", [])]
    request = next(span for span in collector.spans().values() if span["kind"] == 2)
    assert all(one["traceId"] and one["spanId"] and int(one["timeUnixNano"]) > 0 for one in exemplars), exemplars
    assert (request["traceId"], request["spanId"]) in [(one["traceId"], one["spanId"]) for one in exemplars], exemplars
    ids = [(one["spanId"], one["timeUnixNano"]) for one in exemplars]
    assert len(ids) == len(set(ids)), "an exemplar was sent in two intervals"
    return len(metrics)


def check_log(collector, call):
    """What the plugin wrote is a line of its call."""
    lines = until(lambda: [line for line in collector.taken("logs") if attributes(line).get("plugin") == "pages"],
                  lambda: collector.taken("logs"))
    line = next(line for line in lines if line["body"]["stringValue"] == "the page is looked up slowly")
    assert (line["severityNumber"], line["severityText"]) == (13, "WARN"), line
    assert (line["traceId"], line["spanId"]) == (TRACE, call["spanId"]), (line, call)
    assert attributes(line)["tenant"] == "acme" and attributes(line)["room"] == "plugins", line
    return line


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if subprocess.run([COLLECTOR, "have"], check=False).returncode != 0:
        print("the collector is not here; `./dev collector up` builds it")
        return 77
    service = Service()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        collector = Collector(folder / "collector")
        host = Host(build, folder, TRAV_TELEMETRY_OTLP_ENDPOINT=collector.url, TRAV_TELEMETRY_OTLP_INTERVAL_SECONDS="1",
                    TRAV_TELEMETRY_INSTANCE="node-1")
        try:
            begin_trace(host, service)
            until(lambda: service.traceparents, lambda: (folder / "log").read_text()[-2000:])
            # Only now: what was before waits for it.
            collector.start()
            until(lambda: len(collector.spans()) >= 7, lambda: [span["name"] for span in collector.spans().values()])
            names, call = check_trace(collector.spans(), service)
            count = check_metrics(host, collector)
            line = check_log(collector, call)
            for one in [*collector.spans().values(), *collector.taken("logs")]:
                assert one["of"]["service.name"] == "travertine" and one["of"]["service.instance.id"] == "node-1", one["of"]
                assert one["scope"]["name"] == "travertine" and one["scope"]["version"], one["scope"]
            print("trace:", " < ".join(names), "|", count, "metrics |", line["severityText"], line["body"]["stringValue"])
        finally:
            host.end()
            collector.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
