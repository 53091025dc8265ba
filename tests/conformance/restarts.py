#!/usr/bin/python3
"""Scenarios of the conformance kit on a real travd that is killed behind each of their records in turn: the log is cut
there, be it within a decision, travd starts on what is left, and the client sends again what it was not answered. The
outcome, the steps and the idempotency keys of the calls are those of the undisturbed run, and the scenario holds.

One start in two finds the projection from before the scenario, the other finds none.

restarts.py --build <build folder> [--kit <folder with *.feature>]; ends with 77 where it cannot run."""
import pathlib
import shutil
import subprocess
import sys
import time

import feature
import hosts
import kit

TENANT = "kit"


class Scenes:
    """A data folder with a tenant, from which every run begins."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        daemon = kit.Daemon(build, folder)
        self.operator = daemon.token
        status, tenant = daemon.ask("POST", "/v1/tenants", f'{{"id": "{TENANT}", "display_name": "Kit"}}')
        assert status == 201, tenant
        self.token = tenant["token"]["token"]
        daemon.end()
        self.keep("base")

    def path(self, name):
        return self.folder / name

    def keep(self, name):
        shutil.rmtree(self.path(name), ignore_errors=True)
        subprocess.run(["cp", "-r", "--sparse=always", self.path("data"), self.path(name)], check=True)

    def set(self, name):
        shutil.rmtree(self.path("data"))
        subprocess.run(["cp", "-r", "--sparse=always", self.path(name), self.path("data")], check=True)

    def records(self, name):
        return self.cut(name, self.path("none"), 0)

    def cut(self, name, into, records):
        """How many records the log has; the first of them are put into a new one."""
        shutil.rmtree(into, ignore_errors=True)
        program = [self.build / "bin/trv_cut_log", self.path(name) / "log", into, str(records)]
        return int(subprocess.run(program, check=True, capture_output=True, text=True).stdout)

    def begin(self):
        daemon = kit.Daemon(self.build, self.folder, self.operator)
        daemon.token = self.token
        hosts.Handler.keys.clear()
        return daemon


def kill(daemon):
    daemon.process.kill()
    daemon.process.wait(30)


class Client:
    """What kit.Play asks for: runs the definition in the tenant."""

    def __init__(self, daemon):
        self.daemon = daemon

    def run(self, definition, given):
        self.instance, self.steps = self.daemon.run_in(f"/v1/tenants/{TENANT}", definition, given)
        return self.instance, self.steps

    def came_to(self):
        """Without what another instance of the same run has otherwise: its id and times."""
        def plain(value):
            return str(value).replace(self.instance["id"], "<instance>")
        own = [key for key in hosts.Handler.keys if key]
        return ({name: plain(self.instance[name]) for name in ("status", "error")},
                [(step["task"], step["outcome"]) for step in self.steps], {plain(key) for key in own})


def play(daemon, scenario):
    client = Client(daemon)
    run = kit.Play(client)
    for step in scenario.steps:
        run.step(step)
    return client.came_to()


def restarts_of(scenes, scenario):
    """How many there were. Raises where one comes to something else."""
    scenes.set("base")
    before = scenes.records("base")
    daemon = scenes.begin()
    undisturbed = play(daemon, scenario)
    kill(daemon)
    scenes.keep("ended")
    total = scenes.records("ended")
    assert total > before, "the scenario has left no record"
    for records in range(before, total):
        scenes.set("ended")
        scenes.cut("ended", scenes.path("data") / "log", records)
        projection = scenes.path("data") / "projection"
        shutil.rmtree(projection)
        if records % 2 == 0:
            subprocess.run(["cp", "-r", "--sparse=always", scenes.path("base") / "projection", projection], check=True)
        daemon = scenes.begin()
        try:
            again = play(daemon, scenario)
        except AssertionError as error:
            raise AssertionError(f"killed behind record {records} of {total}: {error}") from error
        finally:
            kill(daemon)
        assert again[0] == undisturbed[0], f"killed behind record {records} of {total}: {again[0]}, undisturbed {undisturbed[0]}"
        assert again[1] == undisturbed[1], f"killed behind record {records} of {total}: {again[1]}, undisturbed {undisturbed[1]}"
        more = again[2] - undisturbed[2]
        assert not more, f"killed behind record {records} of {total}: calls with other keys, {more}"
    return total - before


def inside(build, folder_of_kit, folder):
    server = kit.prepare(folder)
    scenes = Scenes(build, folder)
    scenarios = [one for path in sorted(folder_of_kit.glob("*.feature")) for one in feature.scenarios(path)]
    failed, restarts, began = [], 0, time.monotonic()
    for scenario in scenarios:
        name = f"{scenario.feature}: {scenario.name}"
        try:
            count = restarts_of(scenes, scenario)
            restarts += count
            print(f"holds    {name}: killed behind each of {count} records", flush=True)
        except (AssertionError, kit.Refused) as error:
            failed.append(name)
            print(f"FAILS    {name}: {error}", flush=True)
    server.shutdown()
    print(f"conformance kit through restarts: {len(scenarios)} scenarios, {restarts} restarts, "
          f"{len(failed)} scenarios fail, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(kit.main(inside, pathlib.Path(__file__)))
