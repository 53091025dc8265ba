"""A plugin whose operations do what authors do, right and wrong."""

import asyncio
import datetime
import logging
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from travertine_plugin import Failure, Plugin, Refused  # noqa: E402

plugin = Plugin()
released = threading.Event()


@plugin.on_begin
def begin(configuration):
    if "refuse" in configuration:
        raise Refused("the word 'refuse' is configured")
    if "defect" in configuration:
        raise KeyError("url")


@plugin.on_end
async def end():
    logging.info("ended")


@plugin.operation("echo")
def echo(call):
    return call.input


@plugin.operation("echo-async")
async def echo_async(call):
    await asyncio.sleep(0)
    return call.input


@plugin.operation("count")
def count(call):
    before = call.kv.get("count")
    number = before.value + 1 if before else 1
    call.kv.put("count", number, expected=before.revision if before else 0)
    return number


@plugin.operation("pages")
async def pages(call):
    keys, after = [], ""
    while True:
        page = await call.kv.list("item/", after=after, count_max=2)
        keys += [entry.key for entry in page.entries]
        if not page.has_more:
            await call.kv.erase("item/1")
            return keys
        after = keys[-1]


@plugin.operation("sign")
def sign(call):
    return call.sign("vault", call.input, "ed25519").decode()


@plugin.operation("tell")
async def tell(call):
    return [await call.emit("com.sample.reported", call.input, subject="first"), await call.emit("com.sample.reported")]


@plugin.operation("misuse-store")
def misuse_store(call):
    if call.input == "key":
        call.kv.get("a\nb")
    elif call.input == "large":
        call.kv.put("a", "x" * 65_536)
    else:
        call.kv.put("a", {1, 2})


@plugin.operation("describe")
def describe(call):
    return [call.operation, call.tenant, call.connection, call.idempotency_key, call.attempt, call.configuration,
            call.seconds_left is not None and 0 < call.seconds_left <= 30, call.is_cancelled]


@plugin.operation("fail")
def fail(call):
    raise Failure("slow down", "exhausted", may_retry=True, retry_after=1.5, status=429, detail={"at": 7})


@plugin.operation("defect")
def defect(call):
    return {}["missing"]


@plugin.operation("defect-async")
async def defect_async(call):
    return {}["missing"]


@plugin.operation("stop")
def stop(call):
    return next(iter(()))


@plugin.operation("exit")
def exit_at_once(call):
    sys.exit(3)


@plugin.operation("exit-async")
async def exit_async(call):
    sys.exit(3)


OUTPUTS = {
    "date": lambda: {"due": [1, datetime.date(2026, 1, 1)]},
    "key": lambda: {1: "a", "1": "b"},
    "nan": lambda: [float("nan")],
    "huge": lambda: 10 ** 400,
    "half": lambda: {"text": "\ud800"},
    "large": lambda: "x" * 1_000_000,
    "itself": lambda: (lambda many: many.append(many) or many)([]),
    "bytes": lambda: b"1",
}


@plugin.operation("return")
def give(call):
    return OUTPUTS[call.input]()


@plugin.operation("log")
def log(call):
    print("printed")
    call.log.warning("first\nsecond")
    logging.getLogger("library").error("%s", "x" * 10_000)
    logging.getLogger().debug("not of interest")


@plugin.operation("fetch")
def fetch(call):
    answer = call.http("GET", call.input["path"], connection="api", headers={"X-A": "1"}, timeout=2.5)
    answer.raise_for_status()
    return {"status": answer.status, "type": answer.header("content-TYPE"), "json": answer.json()}


@plugin.operation("post-async")
async def post_async(call):
    first, second = await asyncio.gather(call.http("POST", "/a", json={"n": 1}), call.http("PUT", "/b", body=b"\xff"))
    return [first.text, second.text]


@plugin.operation("misuse")
def misuse(call):
    call.http("GET", "no-slash")


@plugin.operation("hold")
def hold(call):
    released.wait(60)
    return call.is_cancelled


@plugin.operation("block")
def block(call):
    time.sleep(call.input)


@plugin.operation("spin")
def spin(call):
    while not call.is_cancelled:
        pass


@plugin.operation("wait-async")
async def wait_async(call):
    try:
        await asyncio.sleep(600)
    finally:
        call.log.info("cleaned up")


if __name__ == "__main__":
    plugin.run()
