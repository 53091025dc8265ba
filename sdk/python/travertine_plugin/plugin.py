"""A plugin: the names of its operations and what runs for them."""

import asyncio
import json
import logging
import os
import socket
import stat
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, TypeVar

from . import json_text
from .session import Session

HOST_FILE = 3  # where the program finds its host's socket
STACK_BYTES = 2 * 1024 * 1024  # the host counts the stacks of threads as memory
Function = TypeVar("Function", bound=Callable[..., Any])


class Plugin:
    def __init__(self) -> None:
        self.operations: Dict[str, Callable[..., Any]] = {}
        self.serves: Optional[Callable[..., Any]] = None
        self.at_begin: List[Callable[..., Any]] = []
        self.at_end: List[Callable[..., Any]] = []
        self.save: Optional[Callable[..., Any]] = None
        self.restore: Optional[Callable[..., Any]] = None
        self.check: Optional[Callable[..., Any]] = None

    def operation(self, name: str) -> Callable[[Function], Function]:
        """The function below is the operation of that name in the manifest. It is given the call; what it returns is
        the call's output, and what it raises is the call's failure. A plain function runs in a thread and may block;
        an `async def` shares one thread with all others of the plugin and must not."""
        if not isinstance(name, str):
            raise TypeError('write @plugin.operation("name"), with the name that the manifest has')
        if name in self.operations:
            raise ValueError(f"operation '{name}' is declared twice")

        def declare(function: Function) -> Function:
            self.operations[name] = function
            return function

        return declare

    def serve(self, function: Function) -> Function:
        """The function below answers HTTP below the plugin's path; the manifest asks for the permission `serve`. It is
        given a call with `call.request`, a WebRequest, and returns a WebResponse, a text, bytes, None (204) or any value
        of JSON. A Failure that it raises is answered by its code. Plain or `async def`, as an operation."""
        if self.serves is not None:
            raise ValueError("what serves is declared twice")
        self.serves = function
        return function

    def on_begin(self, function: Function) -> Function:
        """Runs before the first call, with the configuration. Raise Refused to say what is wrong with it."""
        self.at_begin.append(function)
        return function

    def on_end(self, function: Function) -> Function:
        """Runs after the last call; the process ends within 2 seconds."""
        self.at_end.append(function)
        return function

    def on_save(self, function: Function) -> Function:
        """Returns what the plugin keeps in memory, bytes or text of at most 1,000,000 bytes, for the version that the
        tenant switches to. No call is open. Raise Refused to stop the switch. Declared together with on_restore."""
        self.save = function
        return function

    def on_restore(self, function: Function) -> Function:
        """Runs before the first call with the version that saved, older or newer, and its bytes. Raise Refused to say
        why they are not taken: that version goes on."""
        self.restore = function
        return function

    def on_check(self, function: Function) -> Function:
        """Runs before a tenant switches to this version. Raise Refused to say why the plugin would not do its work."""
        self.check = function
        return function

    def run(self) -> None:
        """What the program ends with: takes calls of the host. From a shell it runs one operation, to try it."""
        if not has_host():
            from .trial import main
            sys.exit(main(self, sys.argv[1:]))
        threading.stack_size(STACK_BYTES)
        connection = socket.socket(fileno=HOST_FILE)
        asyncio.run(serve(self, connection))


def has_host() -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(HOST_FILE).st_mode) and len(sys.argv) == 1
    except OSError:
        return False


async def serve(plugin: Plugin, connection: socket.socket) -> None:
    one_at_a_time = threading.Lock()

    def send(name: str, body: Dict[str, Any]) -> None:
        line = (json_text.write({name: body}) + "\n").encode()
        try:
            with one_at_a_time:
                connection.sendall(line)
        except OSError:
            os._exit(1)  # the host has gone

    session = Session(plugin, send)
    root = logging.getLogger()
    root.addHandler(session.log)
    root.setLevel(logging.INFO)
    loop = asyncio.get_running_loop()

    def listen() -> None:
        with connection.makefile("rb") as lines:
            for line in lines:
                (name, body), = json.loads(line).items()
                loop.call_soon_threadsafe(session.take, name, body)
        loop.call_soon_threadsafe(session.is_over.set)

    threading.Thread(target=listen, daemon=True).start()
    await session.is_over.wait()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which waits for the threads of operations that block.
    os._exit(0)
