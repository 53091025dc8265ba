#!/usr/bin/python3
"""Exemplars reach a real Prometheus, and both formats of /metrics are what strict readers take.

    exemplars_test.py BUILD

Skipped with exit code 77 where Debian's package prometheus, or prometheus-client of PyPI, cannot be had.
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "plugins"), str(HERE.parent / "operations")]
import prometheus  # noqa: E402
from host import Host  # noqa: E402
from pypi import package  # noqa: E402

CLIENT_VERSION = "0.21.1"
WAIT_S = 60
DURATION = "travertine_http_request_duration_seconds"
OPEN_METRICS = "application/openmetrics-text"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(holds, what):
    end = time.monotonic() + WAIT_S
    while not (found := holds()):
        assert time.monotonic() < end, what()
        time.sleep(0.1)
    return found


def read(url, accept):
    with urllib.request.urlopen(urllib.request.Request(url + "/metrics", headers={"Accept": accept}), timeout=WAIT_S) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def ask(url, traceparent):
    """A request of the API, which is refused and counted."""
    request = urllib.request.Request(url + "/v1/tenants", headers={"traceparent": traceparent} if traceparent else {})
    try:
        urllib.request.urlopen(request, timeout=WAIT_S).close()
    except urllib.error.HTTPError as error:
        assert error.code == 401, error


def check_text(url, promtool):
    kind, text = read(url, "text/plain")
    assert kind.startswith("text/plain; version=0.0.4") and " # {" not in text and "# EOF" not in text, kind
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return text


def check_open_metrics(url, text):
    """By the reader of Prometheus' own client, which refuses what the specification does not have."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
    from prometheus_client.parser import text_string_to_metric_families as text_families
    kind, body = read(url, f"{OPEN_METRICS};version=1.0.0,text/plain;q=0.5")
    assert kind == f"{OPEN_METRICS}; version=1.0.0; charset=utf-8", kind
    families = {family.name: family for family in open_families(body)}
    assert set(families) == {family.name for family in text_families(text)}, body
    found = {sample.exemplar.labels["trace_id"]: sample for sample in families[DURATION].samples if sample.exemplar}
    for sample in found.values():
        assert sample.exemplar.value <= float(sample.labels["le"]), sample
        assert abs(float(sample.exemplar.timestamp) - time.time()) < WAIT_S, sample
    return found


def start_prometheus(program, folder, url):
    port = free_port()
    (folder / "prometheus.yaml").write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "travertine", "static_configs": [{"targets": [url.removeprefix("http://")]}]}]}))
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen([program, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
                                    "--enable-feature=exemplar-storage", f"--web.listen-address=127.0.0.1:{port}"],
                                   stdout=log, stderr=log)
    return process, f"http://127.0.0.1:{port}/api/v1"


def query(api, path, **parameters):
    try:
        with urllib.request.urlopen(f"{api}/{path}?{urllib.parse.urlencode(parameters)}", timeout=WAIT_S) as answer:
            return json.load(answer)["data"]
    except (urllib.error.URLError, ConnectionError):
        return None


def traces_of(api):
    data = query(api, "query_exemplars", query=f"{DURATION}_bucket", start=time.time() - 600, end=time.time() + 60) or []
    return {one["labels"]["trace_id"]: one for series in data for one in series["exemplars"]}


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    programs = [prometheus.program(build / "prometheus", name) for name in ("promtool", "prometheus")]
    if None in programs:
        print("the package prometheus is not installed and cannot be had")
        return 77
    package(build, "prometheus-client", CLIENT_VERSION)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        # Nobody takes the spans; what is sampled is an exemplar all the same.
        host = Host(build, folder, TRAV_TELEMETRY_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}", TRAV_TELEMETRY_TRACES_PERCENT="0")
        process, api = None, None
        try:
            url = host.environment["TRAV_URL"]
            assert not check_open_metrics(url, check_text(url, programs[0])), "exemplars before a sampled trace"
            process, api = start_prometheus(programs[1], folder, url)
            sampled, other = "4bf92f3577b34da6a3ce929d0e0e4736", "5b8efff798038103d269b633813fc60c"
            ask(url, f"00-{sampled}-00f067aa0ba902b7-01")
            ask(url, f"00-{other}-00f067aa0ba902b7-00")
            ask(url, None)
            found = check_open_metrics(url, check_text(url, programs[0]))
            assert set(found) == {sampled}, found
            taken = until(lambda: traces_of(api), lambda: (folder / "prometheus.log").read_text()[-3000:])
            assert set(taken) == {sampled}, taken
            assert taken[sampled]["labels"]["span_id"] == found[sampled].exemplar.labels["span_id"], (taken, found)
            assert float(taken[sampled]["value"]) == found[sampled].exemplar.value, (taken, found)
            up = query(api, "query", query="up")["result"]
            assert [one["value"][1] for one in up] == ["1"], up
            print("exemplar:", taken[sampled])
        finally:
            host.end()
            if process is not None:
                process.kill()
                process.wait(WAIT_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
