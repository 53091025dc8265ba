#!/usr/bin/env python3
"""Requests at a steady rate, each checked: `load.py URL TOKEN RATE SECONDS` writes one JSON document to its output.

Every second request comes on a connection of its own and is sent once, whatever happens. The others come on a few that
are kept, with an Idempotency-Key: where the server closes such a connection while the next request is on its way, the
request is sent again on a new one, as HTTP clients do (RFC 9112, 9.3.1; Go's net/http); `repeated` counts them. A request
without an answer of 2xx has failed.
"""

import asyncio
import json
import sys
import time

KEPT = 8


class Load:
    def __init__(self, host: str, port: int, token: str, rate: float, seconds: float):
        self.host, self.port, self.token, self.rate, self.seconds = host, port, token, rate, seconds
        self.idle: list = []
        self.accepted: list[str] = []
        self.failures: list[str] = []
        self.took: list[float] = []
        self.ended: list[float] = []
        self.repeated = 0

    async def connection(self, kept: bool):
        while kept and self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer, True
            writer.close()
        return *await asyncio.open_connection(self.host, self.port), False

    async def send(self, number: int) -> None:
        began = time.monotonic()
        try:
            await asyncio.wait_for(self.exchange(number, kept=number % 2 == 0), 30)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as problem:
            self.failures.append(f"{began - self.began:.3f} s: {type(problem).__name__} {problem}")
        self.ended.append(time.monotonic())
        self.took.append(self.ended[-1] - began)

    async def exchange(self, number: int, kept: bool) -> None:
        reader, writer, is_used = await self.connection(kept)
        body = json.dumps({"number": number}).encode()
        head = (f"POST /v1/tenants/acme/workflows/test/send/instances HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{f'Idempotency-Key: load-{number}' if kept else 'Connection: close'}\r\n\r\n")
        writer.write(head.encode() + body)
        try:
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (ConnectionResetError, asyncio.IncompleteReadError) as problem:
            if not is_used or getattr(problem, "partial", b""):
                raise
            self.repeated += 1
            writer.close()
            return await self.exchange(number, kept)
        length = next(int(line.split(":")[1]) for line in answer.split("\r\n") if line.lower().startswith("content-length:"))
        text = await reader.readexactly(length)
        if kept and "connection: close" not in answer.lower() and len(self.idle) < KEPT:
            self.idle.append((reader, writer))
        else:
            writer.close()
        if answer[9:12] not in ("200", "201", "202"):
            raise ValueError(f"{answer[:12]} {text[:200].decode()}")
        self.accepted.append(json.loads(text)["id"])

    async def run(self) -> dict:
        self.began = time.monotonic()
        tasks = []
        for number in range(int(self.rate * self.seconds)):
            wait = self.began + number / self.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self.send(number)))
        await asyncio.gather(*tasks)
        for _, writer in self.idle:
            writer.close()
        ended = sorted(self.ended)
        return {"sent": len(tasks), "accepted": self.accepted, "failures": self.failures, "repeated": self.repeated,
                "seconds": time.monotonic() - self.began, "longest_ms": max(self.took) * 1e3,
                "p50_ms": sorted(self.took)[len(self.took) // 2] * 1e3,
                "gap_ms": max(b - a for a, b in zip(ended, ended[1:])) * 1e3}


def main() -> None:
    url, token, rate, seconds = sys.argv[1:5]
    host, port = url.removeprefix("http://").split(":")
    print(json.dumps(asyncio.run(Load(host, int(port), token, float(rate), float(seconds)).run())))


if __name__ == "__main__":
    main()
