"""Nodes (travd) that share the shards of one topic, as processes that are killed, paused, ended and started again."""

import http.client
import json
import resource
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from brokers import PASSWORD

SHARDS = 4
SESSION_MS = 1500


class Node:
    """One travd. `is_wanted` says whether it is to run: then it is started again when it gave up waiting for Kafka."""

    def __init__(self, build, folder, name, port, brokers, topic):
        self.build, self.folder, self.name, self.port = build, folder / name, name, port
        self.folder.mkdir(parents=True)
        self.configuration = self.folder / "travd.toml"
        (folder / "password").write_text(PASSWORD)
        self.configuration.write_text(
            f'shards = {SHARDS}\n[data]\nfolder = "{self.folder}/data"\nmap_gib = 1\n[http]\nport = {port}\n'
            f'[node]\nname = "{name}"\naddress = "127.0.0.1:0"\nshared_folder = "{folder}/shared"\n'
            f'cluster_key_file = "{folder}/cluster.key"\n'
            f'[egress]\nallow_private_network = true\n[kafka]\nbrokers = "{brokers}"\ntopic = "{topic}"\n'
            f'session_ms = {SESSION_MS}\nmechanism = "plain"\nuser = "travd"\npassword_file = "{folder}/password"\n')
        self.process, self.is_wanted, self.findings = None, False, []
        self.has_fault, self._lock = False, threading.Lock()

    def take_fault(self):
        """One fault at a time."""
        with self._lock:
            had, self.has_fault = self.has_fault, True
            return not had

    def start(self):
        with open(self.folder / "out", "ab") as out, open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([self.build / "bin/travd", "--config", self.configuration], stdout=out,
                                            stderr=log)
        self.is_wanted = True

    def tend(self):
        """2 is what a start ends with that does not reach Kafka. Everything else is a finding."""
        if not self.is_wanted or self.process is None or self.process.poll() is None:
            return
        if self.process.returncode != 2:
            self.findings.append(f"{self.name} ended with {self.process.returncode}; its last words: {self.words()}")
        self.start()

    def words(self):
        return (self.folder / "log").read_text(errors="replace")[-600:]

    def kill(self):
        self.is_wanted = False
        self.process.kill()
        self.process.wait(30)

    def end(self, within=60):
        """In order, as a service manager ends it."""
        self.is_wanted = False
        self.process.terminate()
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
            code = f"nothing within {within} s"
        if code not in (0, 2):
            self.findings.append(f"{self.name} was ended with SIGTERM and gave {code}; its last words: {self.words()}")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def fill_disk(self, is_full):
        """Every write beyond the first bytes of a file fails, as on a disk without room; or none any more."""
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (4096 if is_full else most, most))

    def token(self):
        """The operator's, where this node printed it."""
        for line in (self.folder / "out").read_text().splitlines():
            if line.strip().startswith("trv_system"):
                return line.strip()
        return None


def ask(node, token, method, path, body=None, headers=(), timeout=30):
    """Status, headers and JSON of the answer; status 0 where none came."""
    request = urllib.request.Request(f"http://127.0.0.1:{node.port}{path}", data=body, method=method,
                                     headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                                              **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}, None


def insist(node, token, method, path, body=None, headers=(), within=90):
    """Asks until the answer is not one that says to ask again."""
    deadline = time.monotonic() + within
    while True:
        status, _, answer = ask(node, token, method, path, body, headers)
        if status not in (0, 503):
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"{method} {path} of {node.name}: {status} {answer} for {within} s")
        time.sleep(0.1)
    if status >= 300:
        raise ValueError(f"{method} {path} of {node.name}: {status} {answer}")
    return answer


def shards_of(node, operator, timeout=10):
    """Of each node that Kafka counts; none while it does not answer."""
    status, _, answer = ask(node, operator, "GET", "/v1/nodes", timeout=timeout)
    return {one["node"]: one["shards"] for one in answer["items"]} if status == 200 else {}


def instances_of(node, token, tenant):
    """Status of each instance."""
    found, cursor = {}, ""
    while True:
        page = insist(node, token, "GET", f"/v1/tenants/{tenant}/instances?limit=500{cursor}")
        found.update({one["id"]: one["status"] for one in page["items"]})
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def streamed(node, token, tenant, last, within=60):
    """Ids of the tenant's events as the node's own stream has them, up to the event `last`."""
    request = urllib.request.Request(f"http://127.0.0.1:{node.port}/v1/tenants/{tenant}/events/stream?after=0",
                                     headers={"Authorization": f"Bearer {token}"})
    deadline, found = time.monotonic() + within, []
    with urllib.request.urlopen(request, timeout=within) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:])["id"])
                if found[-1] == last:
                    break
            if time.monotonic() > deadline:
                break
    return found
