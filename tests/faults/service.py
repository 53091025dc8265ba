"""A service that workflows call by HTTP. It counts the calls of each idempotency key; one in thirty it refuses with 429."""

import http.server
import random
import threading
import time


class Service:
    def __init__(self, seed):
        self.calls = {}  # idempotency key: the bodies that came with it
        self._lock, self._random = threading.Lock(), random.Random(seed)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, wait = outer.take(self.headers.get("Idempotency-Key", ""), body)
                time.sleep(wait)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the node that called is gone

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass  # nodes die in the middle of a request

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, key, body):
        with self._lock:
            self.calls.setdefault(key, []).append(body)
            chance = self._random.random()
            return 429 if chance < 1 / 30 else 200, self._random.choice((0, 0.01, 0.05, 0.3))

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
