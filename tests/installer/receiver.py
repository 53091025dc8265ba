#!/usr/bin/env python3
"""A service that counts: `receiver.py PORT FILE` appends the idempotency key and the body of each POST as a line."""

import asyncio
import sys


async def serve(reader, writer, journal):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            print(fields.get("idempotency-key", "-"), body.decode(), file=journal, flush=True)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def main():
    with open(sys.argv[2], "a") as journal:
        server = await asyncio.start_server(lambda r, w: serve(r, w, journal), "127.0.0.1", int(sys.argv[1]))
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(main())
