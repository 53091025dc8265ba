#!/usr/bin/python3
"""What travd exports over OTLP/HTTP is what the protocol's own classes read, and one trace from request to service.

    otlp_test.py BUILD

Each body is parsed strictly by the classes that opentelemetry-proto (PyPI) makes from the protocol's definition: an unknown
field or a wrong kind is a failure. Its JSON differs from theirs in one thing, ids in hexadecimal, which is undone before.
Skipped with exit code 77 where the package cannot be had.
"""

import base64
import http.server
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from pypi import package

VERSION = "1.38.0"
IDS = ("traceId", "spanId", "parentSpanId")
WAIT_S = 60


def with_plain_ids(value):
    if isinstance(value, list):
        return [with_plain_ids(one) for one in value]
    if isinstance(value, dict):
        return {name: base64.b64encode(bytes.fromhex(one)).decode() if name in IDS else with_plain_ids(one)
                for name, one in value.items()}
    return value


class Receiver:
    """Takes what is sent; the first request of each signal is answered 503 with Retry-After."""

    def __init__(self):
        from google.protobuf import json_format
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        self.kinds = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest,
                      "/v1/logs": ExportLogsServiceRequest}
        self.taken = {path: [] for path in self.kinds}
        self.seen = {path: 0 for path in self.kinds}
        self.problems = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen[self.path] += 1
                late = receiver.seen[self.path] == 1
                if not late:
                    try:
                        if self.headers["Content-Type"] != "application/json" or self.headers["X-Key"] != "of-the-test":
                            raise ValueError(f"headers: {self.headers}")
                        message = receiver.kinds[self.path]()
                        json_format.Parse(json.dumps(with_plain_ids(json.loads(body))), message, ignore_unknown_fields=False)
                        receiver.taken[self.path].append(message)
                    except Exception as error:  # whatever it is, it is of what was sent
                        receiver.problems.append(f"{self.path}: {error}: {body[:2000]}")
                self.send_response(503 if late else 200)
                if late:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> list:
        return [span for message in self.taken["/v1/traces"] for of in message.resource_spans for scope in of.scope_spans
                for span in scope.spans]

    def metrics(self) -> dict:
        return {metric.name: metric for message in self.taken["/v1/metrics"][-1:] for of in message.resource_metrics
                for scope in of.scope_metrics for metric in scope.metrics}

    def lines(self) -> list:
        return [line for message in self.taken["/v1/logs"] for of in message.resource_logs for scope in of.scope_logs
                for line in scope.log_records]


class Service:
    """What a workflow calls; keeps the traceparent that comes."""

    def __init__(self):
        service = self
        self.traceparents = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.traceparents.append(self.headers.get("traceparent"))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


def until(holds, what: str):
    end = time.monotonic() + WAIT_S
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def attributes(span) -> dict:
    return {one.key: one.value.string_value for one in span.attributes}


def main() -> int:
    build = pathlib.Path(sys.argv[1])
    package(build, "opentelemetry-proto", VERSION)
    receiver = Receiver()
    service = Service()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        headers = folder / "headers"
        headers.write_text("X-Key: of-the-test\n")
        headers.chmod(0o600)
        out = folder / "out"
        environment = {"HOME": scratch, "TRAV_TELEMETRY_OTLP_ENDPOINT": receiver.url, "TRAV_TELEMETRY_OTLP_HEADERS_FILE": str(headers),
                       "TRAV_TELEMETRY_OTLP_INTERVAL_SECONDS": "1", "TRAV_TELEMETRY_INSTANCE": "of-the-test",
                       "TRAV_EGRESS_ALLOW_PRIVATE_NETWORK": "true"}
        with out.open("wb") as stream:
            travd = subprocess.Popen([build / "bin/travd", "--data", folder / "data", "--port", "0"], env=environment, stdout=stream,
                                     stderr=subprocess.STDOUT)
        try:
            until(lambda: "trav tenant create" in out.read_text(), "travd is not ready")
            url = re.search(r"is ready at (http://[0-9.:]+)", out.read_text()).group(1)
            operator = re.search(r"--token (trv_\S+)", out.read_text()).group(1)

            def ask(method, path, token, body, kind="application/json", **more):
                request = urllib.request.Request(url + path, body.encode(), {"Authorization": f"Bearer {token}", "Content-Type": kind, **more},
                                                 method=method)
                return json.load(urllib.request.urlopen(request, timeout=WAIT_S))

            owner = ask("POST", "/v1/tenants", operator, '{"id":"acme"}')["token"]["token"]
            ask("POST", "/v1/tenants/acme/workflows", owner,
                "document: {dsl: '1.0.3', namespace: demo, name: ask, version: '1.0.0'}\n"
                f"do:\n  - ask: {{call: http, with: {{method: get, endpoint: '{service.url}'}}}}\n", "application/yaml")
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            ask("POST", "/v1/tenants/acme/workflows/demo/ask/instances", owner, "{}", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
            until(lambda: service.traceparents, "the service was not asked")
            ours = until(lambda: [s for s in receiver.spans() if s.trace_id.hex() == trace
                                  and any(e.trace_id == s.trace_id and e.name.startswith("effect") for e in receiver.spans())],
                         f"no span of the trace came: {receiver.problems}")
            ours = until(lambda: (found := [s for s in receiver.spans() if s.trace_id.hex() == trace]) and len(found) >= 5 and found,
                         f"the trace has {[s.name for s in ours]}")
            by_id = {span.span_id.hex(): span for span in ours}
            # From what the service saw back to what the client sent.
            sent = service.traceparents[0].split("-")
            assert sent[1] == trace, sent
            chain, at = [], sent[2]
            while at in by_id:
                chain.append(by_id[at].name)
                at = by_id[at].parent_span_id.hex()
            assert at == "00f067aa0ba902b7", (chain, at)
            assert chain[0] == "GET" and chain[-1].startswith("POST /v1/tenants/{tenant}/workflows/"), chain
            assert any(name == "command" for name in chain) and any(name.startswith("effect") for name in chain), chain
            assert all(attributes(span).get("tenant") == "acme" for span in ours), [attributes(span) for span in ours]
            assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in ours)
            # The metrics are those of /metrics.
            shown = urllib.request.urlopen(url + "/metrics", timeout=WAIT_S).read().decode()
            names = set(re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE))
            metrics = until(receiver.metrics, f"no metrics came: {receiver.problems}")
            assert names == set(metrics), names ^ set(metrics)
            guide = (pathlib.Path(__file__).resolve().parents[2] / "docs/guides/watching.md").read_text()
            assert all(f"| `{name}` |" in guide for name in names), [name for name in names if f"| `{name}` |" not in guide]
            assert metrics["travertine_records_total"].sum.is_monotonic
            assert metrics["travertine_http_request_duration_seconds"].histogram.data_points[0].bucket_counts
            until(lambda: any("is none" in line.body.string_value for line in receiver.lines()), "no line of the log came")
            assert not receiver.problems, receiver.problems
            assert service.traceparents[0] and all(count > 1 for count in receiver.seen.values()), receiver.seen
            print("trace:", " < ".join(chain), "|", len(metrics), "metrics,", len(receiver.lines()), "lines")
        finally:
            travd.send_signal(signal.SIGTERM)
            ended = travd.wait(WAIT_S)
        assert ended == 0, out.read_text()
        assert "of-the-test" not in out.read_text().replace("instance", "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
