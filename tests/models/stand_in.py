#!/usr/bin/python3
"""Language models of three dialects on 127.0.0.1, for tests and demonstrations: OpenAI at /openai/v1, Anthropic at
/anthropic/v1, Ollama at /ollama. mind.py says what they answer; keys are openai-key and anthropic-key.

    stand_in.py [--port PORT] [--journal FILE]

Prints one line of JSON with the base URLs, and serves until it is ended. The journal gets a line of JSON for each request."""

import argparse
import http.server
import json
import threading

import anthropic_dialect
import ollama_dialect
import openai_dialect
from refusal import Refusal

DIALECTS = {"openai": openai_dialect, "anthropic": anthropic_dialect, "ollama": ollama_dialect}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, _, route = self.path.lstrip("/").partition("/")
        status, headers, media, pieces, body = 200, {}, "application/json", [], None
        dialect = DIALECTS.get(name)
        try:
            if dialect is None or "/" + route not in dialect.ROUTES:
                raise Refusal(404, "no such route", "not_found_error")
            dialect.check_key(self.headers)
            try:
                body = json.loads(text)
                media, pieces = dialect.ROUTES["/" + route](body)
            except (KeyError, TypeError, ValueError, StopIteration) as problem:
                raise dialect.bad(f"the request cannot be read: {problem!r}") from problem
        except Refusal as refusal:
            status, headers = refusal.status, refusal.headers
            pieces = [json.dumps((dialect or openai_dialect).error_body(refusal))]
        self.server.note({"dialect": name, "path": "/" + route, "status": status, "body": body,
                          "idempotency_key": self.headers.get("Idempotency-Key")})
        self.answer(status, headers, media, pieces)

    def answer(self, status, headers, media, pieces):
        self.send_response(status)
        for name, value in {"Content-Type": media, "Transfer-Encoding": "chunked", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in pieces:
                content = piece.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:  # a fault that is asked for, or a client that has gone
            self.close_connection = True

    def log_message(self, *_):
        pass


class StandIn(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port=0, journal=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.seen, self._journal, self._lock = [], journal, threading.Lock()

    def note(self, request):
        with self._lock:
            self.seen.append(request)
            if self._journal:
                with open(self._journal, "a", encoding="utf-8") as file:
                    file.write(json.dumps(request) + "\n")

    def handle_error(self, *_):
        pass  # clients go away in the middle of an answer

    @property
    def urls(self):
        root = f"http://127.0.0.1:{self.server_address[1]}"
        return {"openai": root + "/openai/v1", "anthropic": root + "/anthropic/v1", "ollama": root + "/ollama"}

    def begin(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


def main():
    parser = argparse.ArgumentParser(description="Language models for tests, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--journal")
    arguments = parser.parse_args()
    server = StandIn(arguments.port, arguments.journal)
    print(json.dumps(server.urls), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
