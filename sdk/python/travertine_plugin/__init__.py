"""Travertine plugins in Python: operations are functions, and the host does the rest.

    from travertine_plugin import Plugin

    plugin = Plugin()

    @plugin.operation("greet")
    def greet(call):
        return {"text": "Hello, " + call.input["name"]}

    if __name__ == "__main__":
        plugin.run()

The standard library alone, Python 3.9 and later. travertine_plugin.testing has a host for tests.
"""

from .blob import Blob, BlobPage, BlobPart, Blobs, BlobWriting
from .call import AsyncCall, Call, Response
from .failure import Cancelled, Failure, Refused
from .kv import Entry, Kv, Page
from .plugin import Plugin
from .web import WebRequest, WebResponse

__all__ = ["AsyncCall", "Blob", "BlobPage", "BlobPart", "Blobs", "BlobWriting", "Call", "Cancelled", "Entry", "Failure",
           "Kv", "Page", "Plugin", "Refused", "Response", "WebRequest", "WebResponse"]
