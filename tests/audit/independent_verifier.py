#!/usr/bin/env python3
"""Checks an audit export with nothing of Travertine's code.

Written from the texts of RFC 6962 and of C2SP signed-note, tlog-checkpoint, tlog-tiles and tlog-proof only. Needs the
Python standard library, and the openssl program for Ed25519. It computes every hash by the recursive definition of
RFC 6962, section 2.1, which is another algorithm than the one it checks.

usage: independent_verifier.py FOLDER [VERIFIER-KEY]

Without a key it takes the folder's key.pub. Prints "verified: ..." and exits with 0, or says what is wrong and exits
with 1.
"""

import base64
import binascii
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

WIDTH = 256


class Refused(Exception):
    """The export is not what it claims to be."""


def demand(condition, message):
    if not condition:
        raise Refused(message)


def sha256(data):
    return hashlib.sha256(data).digest()


def decode_base64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"{what}: not base64: {error}") from error
    demand(base64.b64encode(data).decode() == text, f"{what}: base64 is not in its one form")
    return data


def decimal(text, what):
    demand(re.fullmatch(r"0|[1-9][0-9]*", text) is not None, f"{what}: {text!r} is not a plain decimal")
    return int(text)


# signed-note


class Key:
    def __init__(self, text):
        match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", text)
        demand(match is not None, "verifier key: not name+hash+key")
        self.name, identity, encoded = match.groups()
        data = decode_base64(encoded, "verifier key")
        demand(len(data) == 33 and data[0] == 1, "verifier key: not an Ed25519 key")
        self.public = data[1:]
        self.identity = sha256(self.name.encode() + b"\n" + data)[:4]
        demand(self.identity.hex() == identity, "verifier key: the key id is not that of name and key")

    def verifies(self, message, signature):
        subject_public_key_info = bytes.fromhex("302a300506032b6570032100") + self.public
        with tempfile.TemporaryDirectory() as folder:
            paths = {}
            for name, data in (("key", subject_public_key_info), ("message", message), ("signature", signature)):
                paths[name] = os.path.join(folder, name)
                with open(paths[name], "wb") as file:
                    file.write(data)
            done = subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", paths["key"],
                 "-in", paths["message"], "-sigfile", paths["signature"]],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            return done.returncode == 0


def open_note(data, key):
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"note: {error}") from error
    demand(all(c == "\n" or ord(c) >= 0x20 for c in note), "note: has a control character")
    at = note.rfind("\n\n")
    demand(at >= 0, "note: no empty line before signatures")
    text, block = note[:at + 1], note[at + 2:]
    demand(block.endswith("\n"), "note: does not end with a line feed")
    verified = False
    for line in block[:-1].split("\n"):
        parts = line.split(" ")
        demand(len(parts) == 3 and parts[0] == "\u2014", f"note: {line!r} is not a signature line")
        name = parts[1]
        demand(name != "" and "+" not in name and not any(unicodedata.category(c) == "Zs" for c in name),
               "note: bad key name")
        stamped = decode_base64(parts[2], "note: signature")
        demand(len(stamped) > 4, "note: a signature is too short")
        if name == key.name and stamped[:4] == key.identity:
            demand(key.verifies(text.encode(), stamped[4:]), f"note: the signature of {name} is wrong")
            verified = True
    demand(verified, f"note: no signature of {key.name}")
    return text


def open_checkpoint(data, key):
    lines = open_note(data, key).split("\n")
    demand(len(lines) >= 4 and lines[-1] == "" and all(lines[:-1]), "checkpoint: not three or more full lines")
    origin, size, root = lines[0], decimal(lines[1], "checkpoint: size"), decode_base64(lines[2], "checkpoint: root")
    demand(len(root) == 32, "checkpoint: the root is not 32 bytes")
    demand(origin == key.name, f"checkpoint: its origin is {origin}, the key is of {key.name}")
    return size, root


# RFC 6962, section 2.1


class Tree:
    def __init__(self, leaves):
        self.leaves = leaves
        self.known = {}

    def mth(self, begin, end):
        """The Merkle Tree Hash of D[begin:end]."""
        count = end - begin
        if count == 0:
            return sha256(b"")
        if count == 1:
            return self.leaves[begin]
        if (begin, end) not in self.known:
            k = 1 << ((count - 1).bit_length() - 1)
            self.known[begin, end] = sha256(b"\x01" + self.mth(begin, begin + k) + self.mth(begin + k, end))
        return self.known[begin, end]

    def path(self, m, begin, end):
        """The Merkle audit path of leaf begin + m in D[begin:end]."""
        count = end - begin
        if count == 1:
            return []
        k = 1 << ((count - 1).bit_length() - 1)
        if m < k:
            return self.path(m, begin, begin + k) + [self.mth(begin + k, end)]
        return self.path(m - k, begin + k, end) + [self.mth(begin, begin + k)]


# tlog-tiles


def tile_name(number, width):
    groups = []
    while True:
        groups.insert(0, f"{number % 1000:03d}")
        number //= 1000
        if number == 0:
            break
    name = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return name if width == WIDTH else f"{name}.p/{width}"


def read(folder, name):
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    except OSError as error:
        raise Refused(f"{name}: {error.strerror}") from error


def read_entries(folder, size):
    entries = []
    for number in range((size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, size - number * WIDTH)
        name = "tile/entries/" + tile_name(number, width)
        data, at = read(folder, name), 0
        for _ in range(width):
            demand(at + 2 <= len(data), f"{name}: too short")
            length = int.from_bytes(data[at:at + 2], "big")
            demand(at + 2 + length <= len(data), f"{name}: too short")
            entries.append(data[at + 2:at + 2 + length])
            at += 2 + length
        demand(at == len(data), f"{name}: has bytes behind its entries")
    return entries


def check_tiles(folder, tree, size):
    count, level = 0, 0
    while size // WIDTH**level > 0:
        span = WIDTH**level
        hashes = size // span
        for number in range((hashes + WIDTH - 1) // WIDTH):
            width = min(WIDTH, hashes - number * WIDTH)
            name = f"tile/{level}/" + tile_name(number, width)
            first = number * WIDTH
            expected = b"".join(tree.mth((first + i) * span, (first + i + 1) * span) for i in range(width))
            demand(read(folder, name) == expected, f"{name}: is not what the entries give")
            count += 1
        level += 1
    return count


# tlog-proof


def check_proof(data, number, tree, key):
    head, separator, checkpoint = data.partition(b"\n\n")
    demand(separator != b"", f"proof {number}: no empty line")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"proof {number}: {error}") from error
    demand(lines.pop(0) == "c2sp.org/tlog-proof@v1", f"proof {number}: first line")
    if lines and lines[0].startswith("extra "):
        decode_base64(lines.pop(0)[6:], f"proof {number}: extra")
    demand(lines and lines[0].startswith("index "), f"proof {number}: no index")
    demand(decimal(lines.pop(0)[6:], f"proof {number}: index") == number, f"proof {number}: is of another entry")
    size, root = open_checkpoint(checkpoint, key)
    demand(number < size <= len(tree.leaves), f"proof {number}: size {size}")
    demand(root == tree.mth(0, size), f"proof {number}: root")
    hashes = [decode_base64(line, f"proof {number}: hash") for line in lines]
    demand(hashes == tree.path(number, 0, size), f"proof {number}: hashes")


def check(folder, key_text):
    if key_text is None:
        try:
            key_text = read(folder, "key.pub").decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise Refused(f"key.pub: {error}") from error
    key = Key(key_text)
    size, root = open_checkpoint(read(folder, "checkpoint"), key)
    tree = Tree([sha256(b"\x00" + entry) for entry in read_entries(folder, size)])
    demand(tree.mth(0, size) == root, "checkpoint: the root is not what the entries give")
    tiles = check_tiles(folder, tree, size)
    proofs = 0
    proofs_folder = os.path.join(folder, "proofs")
    for name in sorted(os.listdir(proofs_folder)) if os.path.isdir(proofs_folder) else []:
        if name.endswith(".tlog-proof"):
            number = decimal(name.removesuffix(".tlog-proof"), "proofs: name")
            check_proof(read(proofs_folder, name), number, tree, key)
            proofs += 1
    return f"verified: {key.name} {size} {root.hex()} ({tiles} tiles, {proofs} proofs)"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        print(check(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
    except Refused as refusal:
        print(f"refused: {refusal}")
        sys.exit(1)


if __name__ == "__main__":
    main()
