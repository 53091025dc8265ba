"""A plugin is a function for each operation of manifest.json."""

from urllib.parse import quote

from travertine_plugin import AsyncCall, Call, Plugin

plugin = Plugin()


@plugin.operation("echo")
def echo(call: Call):
    return {"text": call.input["text"]}


@plugin.operation("fetch")
async def fetch(call: AsyncCall):
    page = call.input["page"]
    answer = await call.http("GET", "/" + quote(page, safe=""))
    answer.raise_for_status(f"the service answered {answer.status} for {page}")
    call.log.info("read %d bytes", len(answer.body))
    return {"content": answer.text}


if __name__ == "__main__":
    plugin.run()
