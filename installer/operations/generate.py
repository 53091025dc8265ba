#!/usr/bin/python3
"""Makes rules.yaml (Prometheus) and dashboard.json (Grafana) of objectives.yaml; --check only says whether they are so.

Each objective becomes one recorded ratio of what is bad for each window, and alerts by the speed at which its budget is
used up, each by a long and a short window: the short one ends the alert soon after its cause has ended. Where there is
hardly any traffic, a single failure does not alert anybody.
"""

import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).parent
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# (severity, speed, long window, short window): speed 1 uses up the budget of 30 days just in time.
ALERTS = (("page", 14.4, "1h", "5m"), ("page", 6, "6h", "30m"), ("ticket", 3, "1d", "2h"), ("ticket", 1, "3d", "6h"))
REQUESTS_A_SECOND_MIN = 0.1
# What is a fault at once, whatever clients see of it: (name, expression, for, severity, what it is and what to do).
FAULTS = (
    ("TravertineIsAway", "up{job=\"travertine\"} == 0", "2m", "page", "Prometheus does not reach travd."),
    ("TravertineShardNotReady", "travertine_shard_owner == 1 and travertine_shard_ready == 0", "2m", "page",
     "Shard {{ $labels.shard }} takes no change; /readyz says why."),
    ("TravertineEffectsParked", "travertine_effects_parked > 0", "5m", "ticket",
     "Effects that ended travd wait for somebody: trav effect list."),
    ("TravertineSnapshotOld", "travertine_snapshot_age_seconds > 6 * 3600", "10m", "ticket",
     "Shard {{ $labels.shard }} has taken no snapshot for six hours; the log says why."),
    ("TravertineBackupOld", "travertine_backup_age_seconds > 900", "5m", "ticket",
     "The last {{ $value }} s are in no backup; the log of travd says why."),
    ("TravertineDrillFailed", "increase(travertine_restore_drill_failures_total[8d]) > 0", "5m", "ticket",
     "A drill did not bring back the live state, or could not be made; the log of travd says which."),
    ("TravertineDiskFills", "predict_linear(travertine_disk_free_bytes[6h], 4 * 86400) < 0", "1h", "ticket",
     "The disk of the data folder will be full within four days."),
    ("TravertineCertificateEnds", "travertine_certificate_expiry_timestamp_seconds - time() < 14 * 86400", "1h", "ticket",
     "The certificate of the API ends within 14 days: put another one into its file."),
)
PANELS = (
    ("Requests", "reqps", (("sum by (class) (rate(travertine_http_requests_total[$__rate_interval]))", "{{class}}"),)),
    ("Answer time", "s", tuple(
        (f"histogram_quantile({part}, sum by (le) (rate(travertine_http_request_duration_seconds_bucket[$__rate_interval])))",
         label) for part, label in ((0.5, "half"), (0.99, "99 %")))),
    ("Records", "wps", (("sum by (shard) (rate(travertine_records_total[$__rate_interval]))", "shard {{shard}}"),)),
    ("Commands that wait", "short", (("travertine_queue_commands", "shard {{shard}}"),)),
    ("Effects", "short", (("sum(travertine_effects_pending)", "pending"), ("sum(travertine_effects_parked)", "parked"))),
    ("Requests that go out", "reqps",
     (("sum by (outcome) (rate(travertine_egress_requests_total[$__rate_interval]))", "{{outcome}}"),)),
    ("Calls of plugins that failed", "ops",
     (("sum by (plugin) (rate(travertine_plugin_calls_failed_total[$__rate_interval]))", "{{plugin}}"),)),
    ("Memory", "bytes", (("process_resident_memory_bytes", "resident"),)),
    ("Processor", "percentunit", (("rate(process_cpu_seconds_total[$__rate_interval])", "of one core"),)),
    ("Free on the disk", "bytes", (("travertine_disk_free_bytes", "free"),)),
    ("Age of the newest snapshot", "s", (("travertine_snapshot_age_seconds", "shard {{shard}}"),)),
)


def objectives() -> list:
    documents = yaml.safe_load_all((HERE / "objectives.yaml").read_text())
    return [one for one in documents if one["kind"] == "SLO"]


def query(objective: dict, kind: str, window: str) -> str:
    ratio = objective["spec"]["indicator"]["spec"]["ratioMetric"]
    return ratio[kind]["metricSource"]["spec"]["query"].replace("WINDOW", window)


def bad_share(objective: dict, window: str) -> str:
    ratio = objective["spec"]["indicator"]["spec"]["ratioMetric"]
    total = query(objective, "total", window)
    if "bad" in ratio:
        # There is no such class before the first failure.
        return f"(({query(objective, 'bad', window)}) or vector(0)) / ({total})"
    return f"1 - ({query(objective, 'good', window)}) / ({total})"


def recorded(objective: dict, window: str) -> str:
    return f"travertine:{objective['metadata']['name']}:bad_{window}"


def rules() -> dict:
    groups = []
    for objective in objectives():
        name = objective["metadata"]["name"]
        allowed = round(1 - objective["spec"]["objectives"][0]["target"], 6)
        group = [{"record": recorded(objective, window), "expr": bad_share(objective, window)} for window in WINDOWS]
        for severity, speed, long, short in ALERTS:
            limit = f"{round(speed * allowed, 6)}"
            group.append({
                "alert": f"Travertine{name.capitalize()}",
                "expr": f"{recorded(objective, long)} > {limit} and {recorded(objective, short)} > {limit} and "
                        f"{query(objective, 'total', long)} > {REQUESTS_A_SECOND_MIN}",
                "labels": {"severity": severity, "window": long},
                "annotations": {"summary": f"{objective['metadata']['displayName']}: the budget of 30 days is used up "
                                           f"{speed:g} times as fast as it may be, over {long} and still over {short}."}})
        groups.append({"name": f"travertine-{name}", "rules": group})
    groups.append({"name": "travertine-faults", "rules": [
        {"alert": name, "expr": expression, "for": time, "labels": {"severity": severity},
         "annotations": {"summary": summary}} for name, expression, time, severity, summary in FAULTS]})
    return {"groups": groups}


def dashboard() -> dict:
    source = {"type": "prometheus", "uid": "${source}"}
    panels = []
    for index, objective in enumerate(objectives()):
        target = objective["spec"]["objectives"][0]["target"]
        panels.append({
            "id": len(panels) + 1, "type": "stat", "title": objective["metadata"]["displayName"], "datasource": source,
            "gridPos": {"x": 12 * index, "y": 0, "w": 12, "h": 4},
            "fieldConfig": {"defaults": {"unit": "percentunit", "decimals": 3, "thresholds": {"mode": "absolute", "steps": [
                {"color": "red", "value": None}, {"color": "green", "value": target}]}}, "overrides": []},
            "targets": [{"refId": "A", "datasource": source, "expr": f"1 - {recorded(objective, '6h')}"}]})
    for index, (title, unit, lines) in enumerate(PANELS):
        panels.append({
            "id": len(panels) + 1, "type": "timeseries", "title": title, "datasource": source,
            "gridPos": {"x": 8 * (index % 3), "y": 4 + 8 * (index // 3), "w": 8, "h": 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"refId": chr(65 + n), "datasource": source, "expr": expression, "legendFormat": label}
                        for n, (expression, label) in enumerate(lines)]})
    return {"uid": "travertine", "title": "Travertine", "schemaVersion": 39, "version": 1, "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"}, "tags": ["travertine"],
            "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}]},
            "panels": panels}


def made() -> dict:
    head = "# Made of objectives.yaml by generate.py.\n"
    return {"rules.yaml": head + yaml.safe_dump(rules(), sort_keys=False, width=1_000),
            "dashboard.json": json.dumps(dashboard(), indent=1) + "\n"}


def main() -> int:
    differing = [name for name, text in made().items()
                 if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in differing:
            print(f"installer/operations/{name} is not what objectives.yaml says; run installer/operations/generate.py")
        return 1 if differing else 0
    for name in differing:
        (HERE / name).write_text(made()[name])
        print(f"installer/operations/{name} is written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
