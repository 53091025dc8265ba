#!/usr/bin/python3
"""Rules and dashboard are what objectives.yaml says, and Prometheus takes them.

    operations_test.py FOLDER

FOLDER: where Debian's package prometheus is unpacked (nothing is installed), for its promtool. Skipped with exit code 77
where PyYAML is missing, or promtool is not there and cannot be had.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed; ./dev setup --all installs it")
    sys.exit(77)

import prometheus  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATIONS = ROOT / "installer" / "operations"


def explained() -> set:
    guide = (ROOT / "docs" / "guides" / "watching.md").read_text()
    return set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE))


def used(expression: str) -> set:
    names = set(re.findall(r"\b((?:travertine|process)_\w+)", expression))
    return {re.sub(r"_(bucket|count|sum)$", "", name) if name not in explained() else name for name in names}


def expressions() -> list:
    rules = yaml.safe_load((OPERATIONS / "rules.yaml").read_text())
    dashboard = json.loads((OPERATIONS / "dashboard.json").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return found + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_case(bad_share: float) -> dict:
    """A day of ten requests a second, of which a share fails."""
    good = f"0+{600 * (1 - bad_share):g}x1440"
    bad = f"0+{600 * bad_share:g}x1440"
    alert = {"exp_labels": {"severity": "page", "window": "1h"},
             "exp_annotations": {"summary": "Requests that the server does not fail: the budget of 30 days is used up "
                                            "14.4 times as fast as it may be, over 1h and still over 5m."}}
    alert_slower = {"exp_labels": {"severity": "page", "window": "6h"},
                    "exp_annotations": {"summary": "Requests that the server does not fail: the budget of 30 days is "
                                                   "used up 6 times as fast as it may be, over 6h and still over 30m."}}
    ticket = {"exp_labels": {"severity": "ticket", "window": "1d"},
              "exp_annotations": {"summary": "Requests that the server does not fail: the budget of 30 days is used up "
                                             "3 times as fast as it may be, over 1d and still over 2h."}}
    last = {"exp_labels": {"severity": "ticket", "window": "3d"},
            "exp_annotations": {"summary": "Requests that the server does not fail: the budget of 30 days is used up 1 "
                                           "times as fast as it may be, over 3d and still over 6h."}}
    speed = bad_share / 0.001
    expected = [one for one, needed in ((alert, 14.4), (alert_slower, 6), (ticket, 3), (last, 1)) if speed > needed]
    return {"interval": "1m",
            "input_series": [{"series": 'travertine_http_requests_total{class="2xx"}', "values": good},
                             {"series": 'travertine_http_requests_total{class="5xx"}', "values": bad}],
            "alert_rule_test": [{"eval_time": "23h", "alertname": "TravertineAvailability", "exp_alerts": expected}]}


def main() -> int:
    generated = subprocess.run([OPERATIONS / "generate.py", "--check"], check=False)
    if generated.returncode != 0:
        return 1
    for expression in expressions():
        missing = {name for name in used(expression) if name not in explained()}
        if missing:
            print(f"{expression}: docs/guides/watching.md does not explain {', '.join(sorted(missing))}")
            return 1
    program = prometheus.program(pathlib.Path(sys.argv[1]), "promtool")
    if program is None:
        print("promtool is not installed, and the package prometheus cannot be had")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        dashboard = pathlib.Path(folder) / "dashboard.yaml"
        panels = json.loads((OPERATIONS / "dashboard.json").read_text())["panels"]
        of_panels = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
        dashboard.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": [
            {"record": f"panel:{index}", "expr": expression} for index, expression in enumerate(of_panels)]}]}))
        cases = pathlib.Path(folder) / "cases.yaml"
        cases.write_text(yaml.safe_dump({"rule_files": [str(OPERATIONS / "rules.yaml")], "evaluation_interval": "1m",
                                         "tests": [test_case(share) for share in (0, 0.002, 0.008, 0.02)]}))
        for words in (["check", "rules", OPERATIONS / "rules.yaml"], ["check", "rules", dashboard],
                      ["test", "rules", cases]):
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(done.stdout + done.stderr)
                return 1
    print("rules and dashboard are taken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
