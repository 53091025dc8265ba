#!/usr/bin/env python3
"""Every example of the specification, by name: those of the supported set run as cases, with stand-ins for services and
events; each of the others is refused with words that name what is not supported. None is left out.

    examples.py TRAV [FOLDER]     77: the examples are not there
"""

import json
import pathlib
import subprocess
import sys
import tempfile

PETS = "https://petstore.swagger.io/v2/pet"
PET = {"id": 7, "name": "rex"}
INSPECTED = {"type": "com.fake-hospital.vitals.measurements.temperature", "data": {"temperature": 39}}
SLOW = {"type": "com.fake-hospital.vitals.measurements.bpm", "data": {"bpm": 50}}
FINE = {"type": "com.fake-hospital.vitals.measurements.bpm", "data": {"bpm": 70}}
NOT_FOUND = "https://serverlessworkflow.io/spec/1.0.0/errors/communication"


def pet(**more) -> dict:
    """One call for the pet 7, and its answer."""
    return {"input": {"petId": 7, "token": "t"}, "answers": [{"to": f"GET {PETS}/7", "reply": {"body": PET}}],
            "expect": {"status": "completed", "output": PET, "calls": [{"to": f"GET {PETS}/7", **more}]}}


def people(**more) -> dict:
    found = {"count": 1}
    return {"input": {"searchQuery": "Luke"}, "answers": [{"to": "GET https://swapi.dev/api/people/", "reply": {"body": found}}],
            "expect": {"status": "completed", "output": found,
                       "calls": [{"to": "GET https://swapi.dev/api/people/", "query": {"search": "Luke"}, **more}]}}


def findings() -> dict:
    to = "OPENAPI https://petstore.swagger.io/v2/swagger.json#findPetsByStatus"
    return {"answers": [{"to": to, "reply": {"body": [PET]}}],
            "expect": {"status": "completed", "output": [PET], "calls": [{"to": to, "parameters": {"status": "available"}}]}}


def retried() -> dict:
    """Unavailable twice: the waits are 3 s and 6 s."""
    return {"input": {"petId": 7},
            "answers": [{"to": f"GET {PETS}/7", "replies": [{"status": 503}, {"status": 503}, {"body": PET}]}],
            "expect": {"status": "completed", "output": PET, "takes": "PT9S", "calls": [f"GET {PETS}/7"] * 3}}


def refused(words: str) -> dict:
    return {"start": False, "expect": {"refused": f"*{words}*"}}


def hospital(events: list, output: list) -> dict:
    return {"events": [{"at": f"PT{at + 1}S", **event} for at, event in enumerate(events)],
            "expect": {"status": "completed", "output": output}}


NOT_IMPLEMENTED = {"type": "https://serverlessworkflow.io/errors/not-implemented", "status": 500, "title": "Not Implemented",
                   "detail": "The workflow '*' is a work in progress and cannot be run yet"}
TRIGGER = {"type": "io.serverlessworkflow.samples.events.trigger.v1", "data": {"n": 1}, "at": "PT1S"}
READING = {"type": "my.home.sensors.temperature", "source": "https://my.home.com/sensor", "roomid": "kitchen"}

EXAMPLES = {
    # Its first task takes `.data.reading` of the list of what it consumed: a list has no members with names, so that it
    # fails after it has heard both events.
    "accumulate-room-readings": {
        "events": [{"at": "PT1S", **READING, "data": {"t": 20}},
                   {"at": "PT2S", **READING, "type": "my.home.sensors.humidity", "data": {"h": 40}}],
        "expect": {"status": "faulted", "takes": "PT2S", "error": {"type": "expression"}}},
    "authentication-bearer-uri-format": pet(),
    "authentication-bearer": {"input": {"token": "t"}, "answers": [{"to": f"GET {PETS}/1", "reply": {"body": PET}}],
                              "expect": {"status": "completed", "output": PET, "calls": [f"GET {PETS}/1"]}},
    "authentication-oauth2-secret": pet(),
    "authentication-oauth2": pet(),
    "authentication-oidc-secret": pet(),
    "authentication-oidc": pet(),
    "authentication-reusable": pet(),
    "call-asyncapi-publish": refused("'call: asyncapi' is not supported yet"),
    "call-asyncapi-subscribe-consume-amount": refused("'call: asyncapi' is not supported yet"),
    "call-asyncapi-subscribe-consume-forever-foreach": refused("'call: asyncapi' is not supported yet"),
    "call-asyncapi-subscribe-consume-until": refused("'call: asyncapi' is not supported yet"),
    "call-asyncapi-subscribe-consume-while": refused("'call: asyncapi' is not supported yet"),
    "call-custom-function-cataloged": {
        "functions": {"https://raw.githubusercontent.com/serverlessworkflow/catalog/main/functions/log/1.0.0/function.yaml":
                      {"set": {"said": "${ .message }"}}},
        "expect": {"status": "completed", "that": [".output | has(\"said\")"]}},
    "call-custom-function-inline": {
        "answers": [{"to": f"GET {PETS}/69", "reply": {"body": PET}}],
        "expect": {"status": "completed", "output": PET, "calls": [f"GET {PETS}/69"]}},
    "call-grpc": refused("'call: grpc' is not supported yet"),
    "call-http-endpoint-interpolation-shorthand": pet(),
    "call-http-endpoint-interpolation": pet(headers={"content-type": "application/json"}),
    "call-http-query-headers-expressions": people(headers={"Accept": "application/json"}),
    "call-http-query-parameters": people(),
    "call-http-redirect": people(),
    "call-mcp": refused("'stdio' in*is not supported yet"),
    "call-openapi-redirect": findings(),
    "call-openapi": findings(),
    # `customer: .customer` is text: the specification's own example lacks `${ }` there.
    "conditional-task": {
        "input": {"customer": {"age": 30}, "bet": {"bet": 1}},
        "answers": [{"to": "POST https://superbet-casinos.com/*", "reply": {"body": {"placed": True}}}],
        "expect": {"status": "completed", "output": {"placed": True}, "calls": [
            {"to": "POST https://superbet-casinos.com/api/bet/on/football", "body": {"customer": ".customer", "bet": ".bet"}}]}},
    # After the first call the data are the pet, which has no `petId`.
    "do-multiple": {
        "input": {"petId": 7},
        "answers": [{"to": f"GET {PETS}/7", "reply": {"body": {"petId": 7}}},
                    {"to": f"PUT {PETS}/7", "reply": {"body": {"sold": True}}}],
        "expect": {"status": "completed", "output": {"sold": True}, "calls": [
            f"GET {PETS}/7", {"to": f"PUT {PETS}/7", "body": {"petId": 7, "status": "sold"}}]}},
    "do-single": pet(),
    "emit": {"expect": {"status": "completed", "emitted": [
        {"type": "com.petstore.order.placed.v1", "source": "https://petstore.com",
         "data": {"client": {"firstName": "Cruella", "lastName": "de Vil"}, "items": [{"breed": "dalmatian", "quantity": 101}]}}]}},
    # Without a vet there is no round.
    "for": {"input": {"pets": [{"id": 1}], "vet": None},
            "expect": {"status": "completed", "output": {"pets": [{"id": 1}], "vet": None}}},
    "fork": {
        "input": {"patient": {"fullName": "Ann"}, "room": {"number": 3}},
        "answers": [{"to": "PUT *nurses", "reply": {"body": {"who": "nurse"}, "after": "PT5S"}},
                    {"to": "PUT *doctor", "reply": {"body": {"who": "doctor"}, "after": "PT2S"}}],
        "expect": {"status": "completed", "output": {"who": "doctor"}, "takes": "PT2S"}},
    "listen-to-all read-envelope": {
        **hospital([INSPECTED, SLOW], []),
        "expect": {"status": "completed", "that": ["[.output[].type | split(\".\")[-1]] == [\"temperature\", \"bpm\"]",
                                                   "[.output[].data] == [{\"temperature\": 39}, {\"bpm\": 50}]"]}},
    "listen-to-all": hospital([INSPECTED, FINE, SLOW], [{"temperature": 39}, {"bpm": 50}]),
    "listen-to-any-filter": hospital([FINE, SLOW], [{"bpm": 50}]),
    "listen-to-any-forever-foreach": {
        "events": [{"at": "PT1S", "type": "a", "data": "psst"}, {"at": "PT2S", "type": "b", "data": "hm"}],
        "answers": [{"to": "POST https://fake-chat-api.com/room/*", "reply": {"body": {}}}],
        "expect": {"status": "running", "calls": [{"body": {"event": "psst"}}, {"body": {"event": "hm"}}]}},
    "listen-to-any-until-condition": hospital([{"type": "a", "data": n} for n in range(4)], [0, 1, 2, 3]),
    "listen-to-any-until-consumed": hospital([INSPECTED, {"type": "com.fake-hospital.patient.checked-out", "data": {}}],
                                             [{"temperature": 39}]),
    "listen-to-any": hospital([{"type": "anything", "data": 1}], [1]),
    # Its input has no car any more when the call is made: the address ends without one.
    "listen-to-one": {
        "input": {"carId": 3},
        "events": [{"at": "PT1S", "type": "com.virtual-wf-powered-race.events.race.started.v1", "data": {}}],
        "answers": [{"to": "POST https://virtual-wf-powered-race.com/*", "reply": {"body": {"started": True}}}],
        "expect": {"status": "completed", "output": {"started": True},
                   "calls": ["POST https://virtual-wf-powered-race.com/api/v4/cars//start"]}},
    # Its `when` asks an endpoint that is a mapping for `startswith`, which jq has for texts only.
    "mock-service-extension": {"expect": {"status": "faulted", "error": {"type": "expression"}, "calls": []}},
    "raise-inline": {"expect": {"status": "faulted", "error": NOT_IMPLEMENTED}},
    "raise-reusable": {"expect": {"status": "faulted", "error": NOT_IMPLEMENTED}},
    **{name: refused("'container' of 'run' of task 'runContainer' is not supported yet") for name in (
        "run-container-cleanup-always", "run-container-cleanup-eventually", "run-container-stdin-and-arguments",
        "run-container-with-name", "run-container-with-pull-policy", "run-container", "run-return-all", "run-return-code",
        "run-return-none", "run-return-stderr")},
    "run-script-with-stdin-and-arguments": {
        "answers": [{"to": "run javascript", "reply": {"output": "printed"}}],
        "expect": {"status": "completed", "output": "printed", "that": [
            '.calls[0].input | .stdin == "Hello Workflow" and .arguments == ["hello"] and .environment == {foo: "bar"}']}},
    "run-shell-stdin-and-arguments": {
        "answers": [{"to": "run shell", "reply": {"output": "printed"}}],
        "expect": {"status": "completed", "output": "printed", "that": [
            '.calls[0].input | .stdin == "Hello World" and .arguments == ["Foo", "Bar"]']}},
    # `.user` is text there, too.
    "run-subflow": {
        "input": {"user": "Ann"},
        "others": [{"document": {"dsl": "1.0.3", "namespace": "test", "name": "register-customer", "version": "0.1.0"},
                    "do": [{"register": {"set": {"registered": "${ .customer }"}}}]}],
        "expect": {"status": "completed", "output": {"registered": ".user"}, "started": ["test/register-customer"]}},
    "schedule-cron": {"start": False, "begins": "2026-01-01T23:00:00Z", "until": "PT2H",
                      "answers": [{"to": "POST https://example.com/api/v1/backup/start", "reply": {"body": {"begun": True}}}],
                      "expect": {"calls": ["POST https://example.com/api/v1/backup/start"]}},
    "schedule-event-driven": {
        "start": False,
        "events": [{"at": "PT1S", "type": "com.example.hospital.events.patients.heartbeat.low", "data": {
            "timestamp": "2026-01-01T00:00:00Z", "patient": {"id": 1, "name": "Ann", "room": {"number": 3}, "vitals": {"bpm": 40}}}}],
        "answers": [{"to": "POST https://hospital.example.com/*", "reply": {"body": {}}}],
        "expect": {"calls": [{"to": "POST https://hospital.example.com/api/v1/notify", "body": {
            "patientId": 1, "patientName": "Ann", "roomNumber": 3,
            "vitals": {"heartRate": 40, "timestamp": "2026-01-01T00:00:00Z"},
            "message": "Alert: Patient's heartbeat is critically low. Immediate attention required."}}]}},
    "set-expression": {"start": False, "events": [TRIGGER], "expect": {"status": "completed", "that": [".output.data == {n: 1}"]}},
    "set": {"start": False, "events": [TRIGGER], "expect": {"status": "completed", "that": [".output.startEvent.data == {n: 1}"]}},
    "star-wars-homeworld": {
        "input": {"id": 1},
        "answers": [{"to": "GET https://swapi.dev/api/people/1", "reply": {"body": {"homeworld": "https://swapi.dev/api/planets/1/"}}},
                    {"to": "GET https://swapi.dev/api/planets/1/", "reply": {"body": {"name": "Tatooine"}}}],
        "expect": {"status": "completed", "output": {"name": "Tatooine"}}},
    "switch-then-string": {"input": {"orderType": "physical"}, "expect": {
        "status": "completed", "output": {"inventory": "clear", "items": 1, "address": "Elmer St"}}},
    "try-catch-retry-inline": retried(),
    "try-catch-retry-reusable": retried(),
    # A task that is skipped gives its input. `error: $error` is text.
    "try-catch-then": {
        "input": {"petId": 7}, "answers": [{"to": f"GET {PETS}/7", "reply": {"status": 404}}],
        "expect": {"status": "completed", "output": {"error": "$error"}, "tasks": ["notifySupport", "setError", "tryGetPet"],
                   "calls": [f"GET {PETS}/7"], "emitted": ["io.swagger.petstore.events.pets.not-found.v1"]}},
    "try-catch": {"input": {"petId": 7}, "answers": [{"to": f"GET {PETS}/7", "reply": {"status": 404}}],
                  "expect": {"status": "completed", "calls": [f"GET {PETS}/7"]}},
    "wait-duration-inline": {"expect": {"status": "completed", "takes": "PT30S"}},
    "wait-duration-iso8601": {"expect": {"status": "completed", "takes": "PT30S"}},
}


def main() -> int:
    trav = sys.argv[1]
    here = pathlib.Path(__file__).resolve()
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else here.parents[3] / "shared/conformance/open-workflow/examples"
    if not folder.is_dir():
        print(f"skipped: the examples of the specification are not at {folder}")
        return 77
    there = {file.stem for file in folder.glob("*.yaml")}
    wrong = [f"{name}: is in the folder and not in the table" for name in sorted(there - EXAMPLES.keys())]
    wrong += [f"{name}: is in the table and not in the folder" for name in sorted(EXAMPLES.keys() - there)]
    table = {name: EXAMPLES[name] for name in EXAMPLES if name in there}
    cases = [{"name": name, "workflow": str((folder / f"{name}.yaml").resolve()), **case} for name, case in table.items()]
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "examples.yaml"
        file.write_text(json.dumps({"cases": cases}))
        ran = subprocess.run([trav, "workflow", "test", "--restart", "--output", "json", str(file)], capture_output=True, text=True)
    try:
        results = json.loads(ran.stdout)
    except ValueError:
        print(ran.stdout, ran.stderr)
        return 1
    seen = set()
    for one in results:
        if "case" not in one:
            wrong.append(f"{one['line']}:{one['column']}: {one['message']}")
            continue
        seen.add(one["case"])
        kind = "refused" if "refused" in table[one["case"]]["expect"] else "runs"
        print(f"{'ok' if one['holds'] else 'WRONG':6} {kind:8} {one['restarts']:3} restarts  {one['case']}")
        if not one["holds"]:
            wrong.append(one["case"] + ": " + "; ".join(difference["message"] for difference in one["differences"]))
    wrong += [f"{name}: was not played" for name in sorted(there & EXAMPLES.keys() - seen)]
    print("\n".join(wrong))
    refusals = sum("refused" in case["expect"] for case in table.values())
    print(f"{len(table)} examples: {len(table) - refusals} run, {refusals} are refused by name; {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
