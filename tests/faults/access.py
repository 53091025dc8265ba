"""Access control lists of Kafka, by its protocol: the Python binding of Debian 12 has no calls for them.

Requests CreateAcls (30) and DeleteAcls (31), version 1: https://kafka.apache.org/protocol
"""

import socket
import struct

CREATE, DELETE = 30, 31
READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 8, 10
TOPIC, LITERAL, ALLOW, ANY = 2, 3, 3, 1


def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def allowed(topic, principal, operation):
    """An entry for CREATE."""
    return (struct.pack(">b", TOPIC) + text(topic) + struct.pack(">b", LITERAL) + text(principal) + text("*") +
            struct.pack(">bb", operation, ALLOW))


def every(topic):
    """A filter for DELETE: all entries of the topic."""
    return (struct.pack(">b", TOPIC) + text(topic) + struct.pack(">b", LITERAL) + text(None) + text(None) +
            struct.pack(">bb", ANY, ANY))


def ask(port, request, entries, timeout=5):
    """Whether the broker did it. Raises OSError where it does not answer."""
    body = struct.pack(">hhi", request, 1, 1) + text("faults") + struct.pack(">i", len(entries)) + b"".join(entries)
    with socket.create_connection(("127.0.0.1", port), timeout) as connection, connection.makefile("rb") as answers:
        connection.settimeout(timeout)
        connection.sendall(struct.pack(">i", len(body)) + body)
        head = answers.read(4)
        if len(head) < 4:
            raise ConnectionError("the broker closed the connection")
        answer = answers.read(struct.unpack(">i", head)[0])
    # Correlation id, throttle time, the number of results, and of the first its error.
    count, error = struct.unpack(">ih", answer[8:14])
    return count >= 1 and error == 0
