#!/usr/bin/env python3
"""Forwards TCP connections to the brokers, and cuts a broker off.

    cut.py < lines

The first line of standard input is JSON: {"ways": [[port, target port, broker], …], "pids": {broker: file of its pid}}.
Then each line is `cut BROKER` or `heal BROKER`, and comes when the one before was answered with `done`. While a broker is cut off, nothing goes through in either direction on any
connection to it or from it: bytes wait, as they do where a network drops packets and TCP sends them again. Who opened a
connection is found by its socket in /proc. Ends with standard input.
"""

import contextlib
import errno
import json
import os
import pathlib
import selectors
import socket
import sys

CHUNK = 65536
PENDING_MAX = 1 << 22


def ports_of(file):
    """The ports of loopback that a broker's process connects from."""
    sockets = set()
    with contextlib.suppress(OSError, ValueError):
        folder = f"/proc/{int(pathlib.Path(file).read_text())}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(f"{folder}/{name}"))
    lines = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {int(fields[1].split(":")[1], 16) for fields in lines if f"socket:[{fields[9]}]" in sockets}


class Way:
    """One direction of a connection."""

    def __init__(self, source, target, port, broker):
        self.source, self.target = source, target
        self.port, self.broker = port, broker  # of who opened the connection; which it leads to
        self.pending, self.is_ending, self.has_ended = bytearray(), False, False
        self.other = None  # the other direction


class Network:
    def __init__(self, plan):
        self.selector, self.ways = selectors.DefaultSelector(), {}
        self.cut = {}  # a broker that is cut off: the ports that it connects from
        self.pids = {int(broker): file for broker, file in plan["pids"].items()}
        self.listeners = {}
        for port, target, broker in plan["ways"]:
            listener = socket.create_server(("127.0.0.1", port), backlog=512)
            listener.setblocking(False)
            self.listeners[listener] = (target, broker)
            self.selector.register(listener, selectors.EVENT_READ)

    def accept(self, listener):
        target, broker = self.listeners[listener]
        client, address = listener.accept()
        server = socket.socket()
        server.setblocking(False)
        if server.connect_ex(("127.0.0.1", target)) not in (0, errno.EINPROGRESS):
            server.close()
            client.close()
            return
        there, back = Way(client, server, address[1], broker), Way(server, client, address[1], broker)
        self.look_for_ports()
        there.other, back.other = back, there
        for way in (there, back):
            way.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            way.source.setblocking(False)
            self.ways[way.source] = way
            self.watch(way.source)

    def look_for_ports(self):
        for broker in self.cut:
            self.cut[broker] = ports_of(self.pids[broker])

    def is_cut(self, way):
        """To or from a broker that is cut off; it always reaches itself."""
        return any((way.broker == broker) != (way.port in ports) for broker, ports in self.cut.items())

    def watch(self, end):
        """What is waited for at one end of a connection now."""
        way = self.ways[end]
        events = 0
        if not self.is_cut(way):
            if not way.is_ending and len(way.pending) < PENDING_MAX:
                events |= selectors.EVENT_READ
            if way.other.pending or (way.other.is_ending and not way.other.has_ended):
                events |= selectors.EVENT_WRITE
        with contextlib.suppress(KeyError):
            self.selector.unregister(end)
        if events:
            self.selector.register(end, events)

    def close(self, way):
        for end in (way.source, way.target):
            with contextlib.suppress(KeyError):
                self.selector.unregister(end)
            self.ways.pop(end, None)
            end.close()

    def read(self, way):
        try:
            data = way.source.recv(CHUNK)
        except BlockingIOError:
            return
        if data:
            way.pending += data
            self.write(way)  # mostly it goes at once
        else:
            way.is_ending = True

    def write(self, way):
        if way.pending:
            with contextlib.suppress(BlockingIOError):
                del way.pending[:way.target.send(way.pending)]
        if way.is_ending and not way.pending and not way.has_ended:
            way.target.shutdown(socket.SHUT_WR)
            way.has_ended = True

    def serve(self, end, events):
        way = self.ways.get(end)
        if way is None:
            return
        try:
            if events & selectors.EVENT_WRITE:
                self.write(way.other)
            if events & selectors.EVENT_READ:
                self.read(way)
        except OSError:
            return self.close(way)
        if way.has_ended and way.other.has_ended:
            return self.close(way)
        self.watch(way.source)
        self.watch(way.target)

    def order(self, line):
        word, broker = line.split()
        if word == "cut":
            self.cut[int(broker)] = set()
            self.look_for_ports()
        else:
            del self.cut[int(broker)]
        for end in list(self.ways):
            self.watch(end)

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, events in self.selector.select():
                if key.fileobj is sys.stdin:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.order(line)
                    print("done", flush=True)
                elif key.fileobj in self.listeners:
                    self.accept(key.fileobj)
                else:
                    self.serve(key.fileobj, events)


if __name__ == "__main__":
    network = Network(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    network.run()
