"""The OpenPGP form of an Ed25519 key and of its signatures (RFC 4880, EdDSA as GnuPG reads it), written here so that the
same input gives the same bytes and no keyring is needed."""

import base64
import hashlib
import struct
from typing import Callable

ED25519 = bytes.fromhex("092b06010401da470f01")
EDDSA, SHA256 = 22, 8


def packet(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 192:
        return bytes([0xC0 | tag, size]) + body
    size -= 192
    return bytes([0xC0 | tag, 192 + (size >> 8), size & 0xFF]) + body


def integer(value: bytes) -> bytes:
    value = value.lstrip(b"\0")
    bits = len(value) * 8 - (8 - value[0].bit_length() if value else 0)
    return struct.pack(">H", bits) + value


def key_body(public: bytes, created: int) -> bytes:
    return b"\x04" + struct.pack(">I", created) + bytes([EDDSA]) + ED25519 + integer(b"\x40" + public)


def fingerprint(public: bytes, created: int) -> bytes:
    body = key_body(public, created)
    return hashlib.sha1(b"\x99" + struct.pack(">H", len(body)) + body).digest()


def signature_packet(kind: int, message: bytes, key: bytes, created: int, more: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    hashed = b"\x05\x02" + struct.pack(">I", created) + more + b"\x16\x21\x04" + key
    begin = bytes([4, kind, EDDSA, SHA256]) + struct.pack(">H", len(hashed)) + hashed
    digest = hashlib.sha256(message + begin + b"\x04\xff" + struct.pack(">I", len(begin))).digest()
    made = sign(digest)
    unhashed = b"\x09\x10" + key[-8:]
    return packet(2, begin + struct.pack(">H", len(unhashed)) + unhashed + digest[:2] + integer(made[:32]) + integer(made[32:]))


def keyring(public: bytes, created: int, name: str, sign: Callable[[bytes], bytes]) -> bytes:
    """What `gpgv --keyring` takes."""
    body, user = key_body(public, created), name.encode()
    bound = b"\x99" + struct.pack(">H", len(body)) + body + b"\xb4" + struct.pack(">I", len(user)) + user
    key = fingerprint(public, created)
    return packet(6, body) + packet(13, user) + signature_packet(0x13, bound, key, created, b"\x02\x1b\x03", sign)


def crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


def detached(message: bytes, public: bytes, key_created: int, created: int, sign: Callable[[bytes], bytes]) -> bytes:
    """An armoured signature of the message, as `gpg --armor --detach-sign` makes it."""
    made = signature_packet(0x00, message, fingerprint(public, key_created), created, b"", sign)
    text = base64.b64encode(made).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    check = base64.b64encode(crc24(made).to_bytes(3, "big")).decode()
    return "\n".join(["-----BEGIN PGP SIGNATURE-----", "", *lines, "=" + check, "-----END PGP SIGNATURE-----", ""]).encode()
