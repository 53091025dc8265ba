"""What units_test.py runs as a service of the systemd that it has booted: uses the units as an operator does."""

import json
import os
import pathlib
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

BIN = pathlib.Path("/opt/travertine/current/bin")
PLACE = "127.0.0.1:8400"
URL = f"http://{PLACE}"
OPERATIONS = ("echo", "about", "keep", "kept", "sign", "emit", "too-late", "die", "recurse")
WORKFLOW = """document:
  dsl: '1.0.3'
  namespace: demo
  name: asks
  version: '1.0.0'
do:
  - ask:
      call: tracker.echo:1.2.3@default
      with:
        said: hello
"""
TRUST = ssl.create_default_context()
SCRIPT = """document:
  dsl: '1.0.3'
  namespace: demo
  name: says
  version: '1.0.0'
do:
  - shell:
      run:
        shell: {command: 'echo "$1"', arguments: [h]}
      output: {as: '${ . | rtrimstr("\\n") }'}
  - python:
      run:
        script: {language: python, arguments: ['${ . }'], code: 'import sys; print(sys.argv[1] + "el", end="")'}
  - javascript:
      run:
        script: {language: javascript, arguments: ['${ . }'], code: 'process.stdout.write(process.argv[2] + "lo")'}
"""
# What serving-safely.md says that scripts need, and what configuration.md says of credentials.
SCRIPTS_DROP_IN = """[Service]
RestrictNamespaces=no
ProtectHostname=no
MemoryDenyWriteExecute=no
SystemCallFilter=@mount sethostname capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
Environment=TRAV_RUN_LANGUAGES=shell,python,javascript
"""
CREDENTIAL_DROP_IN = """[Service]
LoadCredential=tls.key:/etc/travertine/tls.key
Environment=TRAV_HTTP_KEY_FILE=credential:tls.key TRAV_HTTP_CERTIFICATE_FILE=/etc/travertine/tls.pem
"""


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def show(what: str, unit: str = "travertine.service") -> str:
    return run("systemctl", "show", "--value", f"--property={what}", unit).strip()


def journal() -> str:
    return subprocess.run(["journalctl", "--no-pager", "--unit=travertine*", "--lines=60"], capture_output=True, text=True, check=False).stdout


def ask(path: str, token: str = "", body: object = None, kind: str = "application/json", url: str = URL) -> "tuple[int, bytes]":
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers={"Content-Type": kind})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30, context=TRUST) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def eventually(holds, what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}\n{journal()}")


def begins() -> str:
    """sysusers, tmpfiles, start, ready. Gives the operator's token."""
    run("systemd-sysusers", "/test/travertine.sysusers.conf")
    run("systemd-tmpfiles", "--create", "/test/travertine.tmpfiles.conf")
    run("ip", "link", "set", "lo", "up") if pathlib.Path("/usr/sbin/ip").exists() else None
    run("systemctl", "start", "travertine.socket")
    assert show("ActiveState") == "inactive", "the socket alone starts nothing"
    # The first connection starts it, and waits until it is ready: no request is refused.
    status, _ = ask("/readyz")
    assert status == 200, status
    eventually(lambda: show("ActiveState") == "active", "it did not become active")
    assert show("SubState") == "running" and show("StatusText") == "ready", show("StatusText")
    print("ready: by its socket, with Type=notify")
    return pathlib.Path("/var/lib/travertine/operator.token").read_text(encoding="utf-8").strip()


def has_no_power() -> None:
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{show('MainPID')}/status").read_text(encoding="utf-8").splitlines())
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind].strip(), 16) == 0, (kind, status[kind])
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", status
    assert int(status["Uid"].split()[0]) != 0
    print("travd has no capability, no way to gain one, and a filter of system calls")


def runs(workflow: str, owner: str) -> None:
    """One instance of a workflow, to its end; its output says hello."""
    status, body = ask(f"/v1/tenants/acme/workflows/demo/{workflow}/instances", owner, {})
    assert status == 201, body
    instance = json.loads(body)["id"]
    state = {}

    def ended() -> bool:
        state.update(json.loads(ask(f"/v1/tenants/acme/instances/{instance}", owner)[1]))
        return state["status"] not in ("running", "pending", "waiting")
    eventually(ended, "the instance does not end")
    assert state["status"] == "completed" and "hello" in json.dumps(state["output"]), state


def calls_a_plugin(owner: str) -> None:
    runs("asks", owner)


def has_isolated_plugins(token: str) -> str:
    folder = pathlib.Path("/test/tracker")
    folder.mkdir()
    operations = [{"name": name, "title": name, "idempotent": True, "input": True, "output": True} for name in OPERATIONS]
    (folder / "manifest.json").write_text(json.dumps({
        "manifest": 1, "id": "tracker", "version": "1.2.3", "title": "Tracker", "summary": "S", "license": "Apache-2.0",
        "abi": {"major": 1, "minor": 0}, "isolation": "sandboxed", "libraries": {"linux-x86_64": {"path": "lib/linux-x86_64/plugin.so"}},
        "operations": operations}), encoding="utf-8")
    os.environ["TRAV_CONFIG_DIR"] = "/test/config"
    run(str(BIN / "trav"), "plugin", "pack", str(folder), "--library", "/test/good.so", "--output", "/test/tracker.trvp")
    status, body = ask("/v1/plugins", token, pathlib.Path("/test/tracker.trvp").read_bytes(), "application/octet-stream")
    assert status == 201, body
    status, body = ask("/v1/tenants", token, {"id": "acme"})
    assert status == 201, body
    owner = json.loads(body)["token"]["token"]
    run(str(BIN / "trav"), "plugin", "enable", "tracker", "1.2.3", "--url", URL, "--tenant", "acme", "--token", owner)
    status, body = ask("/v1/tenants/acme/workflows", owner, WORKFLOW.encode(), "application/yaml")
    assert status in (200, 201), body
    calls_a_plugin(owner)
    zygotes = run("systemctl", "list-units", "--no-legend", "--plain", "travertine-zygote@*").split()
    assert zygotes and zygotes[0].startswith("travertine-zygote@"), zygotes
    group = pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8")
    processes = [p for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and zygotes[0] in read(p / "cgroup")]
    assert len(processes) > 1, (zygotes, group)
    assert not any("trav-plugin-host" in read(p / "comm") and "travertine.service" in read(p / "cgroup") for p in pathlib.Path("/proc").iterdir() if p.name.isdigit())
    print(f"plugins run in {zygotes[0]}, {len(processes)} processes, and none in travertine.service")
    return owner


def read(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def is_restarted_when_it_hangs() -> None:
    before = show("MainPID")
    os.kill(int(before), signal.SIGSTOP)
    eventually(lambda: show("MainPID") not in (before, "0") and show("ActiveState") == "active", "no restart", 40)
    assert int(show("NRestarts")) >= 1
    assert ask("/readyz")[0] == 200
    print(f"a process that hangs is replaced: {show('NRestarts')} restart")


def refuses_no_request_while_it_restarts() -> None:
    over = threading.Event()
    seen = {"answered": 0, "refused": [], "longest": 0.0}

    def client() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                status, _ = ask("/livez")
                seen["answered"] += 1
                assert status == 200, status
            except Exception as error:  # noqa: BLE001
                seen["refused"].append(repr(error))
            seen["longest"] = max(seen["longest"], time.monotonic() - began)
    clients = [threading.Thread(target=client) for _ in range(3)]
    for one in clients:
        one.start()
    for _ in range(4):
        run("systemctl", "restart", "travertine.service")
        time.sleep(0.3)
    over.set()
    for one in clients:
        one.join()
    assert not seen["refused"], seen
    print(f"4 restarts: {seen['answered']} requests answered, 0 refused, the longest took {seen['longest']:.2f} s")


def serves_its_unix_socket(token: str) -> None:
    run(str(BIN / "trav"), "tenant", "list", "--url", "unix:/run/travertine/api.sock", "--token", token)
    print("the Unix socket is served")


def is_restarted_with(name: str, drop_in: str) -> None:
    file = pathlib.Path(f"/etc/systemd/system/travertine.service.d/{name}.conf")
    file.write_text(drop_in, encoding="utf-8")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "travertine.service")


def runs_scripts(owner: str) -> None:
    is_restarted_with("scripts", SCRIPTS_DROP_IN)
    status, body = ask("/v1/tenants/acme/workflows", owner, SCRIPT.encode(), "application/yaml")
    assert status in (200, 201), body
    runs("says", owner)
    calls_a_plugin(owner)
    print("scripts run with the drop-in, and plugins still do")


def takes_its_key_from_a_credential() -> None:
    folder = pathlib.Path("/etc/travertine")
    (folder / "tls.key").chmod(0o600)
    (folder / "tls.pem").chmod(0o644)
    assert (folder / "tls.key").stat().st_uid == 0, "travd's user must not be able to read it"
    is_restarted_with("credential", CREDENTIAL_DROP_IN)
    TRUST.load_verify_locations(str(folder / "tls.pem"))
    status, _ = ask("/readyz", url=f"https://{PLACE}")
    assert status == 200, status
    print("TLS with a key that is a credential of the unit")


def ends_in_order() -> None:
    began = time.monotonic()
    run("systemctl", "stop", "travertine.service")
    assert show("Result") == "success" and show("ExecMainStatus") == "0", (show("Result"), show("ExecMainStatus"))
    print(f"stopped in order after {time.monotonic() - began:.2f} s")
    eventually(lambda: not run("systemctl", "list-units", "--no-legend", "--plain", "--state=running", "travertine-zygote@*"), "the zygote stays")


def main() -> None:
    try:
        token = begins()
        has_no_power()
        owner = has_isolated_plugins(token)
        serves_its_unix_socket(token)
        is_restarted_when_it_hangs()
        calls_a_plugin(owner)
        refuses_no_request_while_it_restarts()
        calls_a_plugin(owner)
        runs_scripts(owner)
        takes_its_key_from_a_credential()
        ends_in_order()
        print("all promises hold")
    except BaseException:
        print(journal())
        raise


main()
