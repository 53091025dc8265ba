#!/usr/bin/env python3
"""The keys of a bundle: three root keys, of which two sign who may release, and three release keys.

    keys.py init FOLDER                 makes them; for development, or as a pattern for a ceremony
    keys.py rotate FOLDER [--revoke]    new root and release keys, signed by the old roots and by the new ones;
                                        --revoke also names the release keys before as revoked
"""

import base64
import calendar
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import openpgp

ROOT_KEYS, THRESHOLD, LIFETIME_S = 3, 2, 3 * 366 * 86_400
ALGORITHMS = ("ed25519", "p256", "openpgp")


def openssl(*arguments: str) -> bytes:
    done = subprocess.run(("openssl", *arguments), capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"bundle: openssl {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout


def make_key(file: pathlib.Path, algorithm: str) -> None:
    options = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256") if algorithm == "p256" else ("-algorithm", "ed25519")
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(openssl("genpkey", *options))


def public_der(file: pathlib.Path) -> bytes:
    return openssl("pkey", "-in", str(file), "-pubout", "-outform", "DER")


def public_raw(file: pathlib.Path) -> bytes:
    return public_der(file)[-32:]


def sign_ed25519(file: pathlib.Path, message: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as text:  # openssl reads what it signs raw from a file alone
        text.write(message)
        text.flush()
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(file), "-in", text.name)


def sign_p256(file: pathlib.Path, message: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as text:
        text.write(message)
        text.flush()
        return openssl("dgst", "-sha256", "-sign", str(file), text.name)


def canonical(document: object) -> bytes:
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()


def utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def identifier(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


class Keys:
    """The folder with the secret keys of every generation, and the signed root files, which a bundle carries."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def version(self) -> int:
        return max((int(file.name.split(".")[0]) for file in (self.folder / "meta").glob("*.root.json")), default=0)

    def secret(self, version: int, name: str) -> pathlib.Path:
        return self.folder / f"{version}.{name}.pem"

    def root(self, version: int) -> dict:
        return json.loads((self.folder / "meta" / f"{version}.root.json").read_text())

    def release(self, algorithm: str) -> dict:
        return next(key for key in self.root(self.version())["release_keys"] if key["algorithm"] == algorithm)

    def advance(self, now: int, revoke: bool = False) -> None:
        """Makes version N+1 of the keys, its root file, and the signatures of both generations."""
        before = self.version()
        version = before + 1
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "meta").mkdir(exist_ok=True)
        roots = []
        for number in range(1, ROOT_KEYS + 1):
            make_key(self.secret(version, f"root-{number}"), "ed25519")
            public = public_raw(self.secret(version, f"root-{number}"))
            roots.append({"id": identifier(public), "key": base64.b64encode(public).decode()})
        releases = []
        for algorithm in ALGORITHMS:
            make_key(self.secret(version, algorithm), algorithm)
            public = (public_der if algorithm == "p256" else public_raw)(self.secret(version, algorithm))
            key = {"id": identifier(public), "algorithm": algorithm, "key": base64.b64encode(public).decode()}
            if algorithm == "openpgp":
                key["created"] = now
                key["fingerprint"] = openpgp.fingerprint(public, now).hex()
            releases.append(key)
        revoked = list(self.root(before)["revoked"]) if before else []
        if revoke and before:
            revoked += [key["id"] for key in self.root(before)["release_keys"]]
        root = canonical({"format": "travertine-root/1", "version": version, "expires": utc(now + LIFETIME_S),
                          "threshold": THRESHOLD, "root_keys": roots, "release_keys": releases, "revoked": revoked})
        signatures = [{"key": identifier(public_raw(file)), "signature": base64.b64encode(sign_ed25519(file, root)).decode()}
                      for generation in ((before, version) if before else (version,))
                      for file in (self.secret(generation, f"root-{number}") for number in range(1, THRESHOLD + 1))]
        (self.folder / "meta" / f"{version}.root.json").write_bytes(root)
        (self.folder / "meta" / f"{version}.root.json.signatures").write_bytes(canonical(signatures))

    def keyring(self) -> bytes:
        """The release key for gpgv."""
        secret, created = self.secret(self.version(), "openpgp"), self.release("openpgp")["created"]
        return openpgp.keyring(public_raw(secret), created, "Travertine releases", lambda digest: sign_ed25519(secret, digest))

    def sign(self, manifest: bytes, created: int) -> dict[str, bytes]:
        """The three signatures of a manifest, by the end of their files' names. Those of P-256 are never the same twice:
        the first is kept beside the keys and used again for the same bytes."""
        version = self.version()
        secret = self.secret(version, "openpgp")
        # A key that is made for a build is newer than its sources, and gpgv takes no signature from before its key.
        made = max(created, self.release("openpgp")["created"])
        kept = self.folder / "signatures" / f"{version}-{hashlib.sha256(manifest).hexdigest()}.p256"
        if not kept.is_file():
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(sign_p256(self.secret(version, "p256"), manifest))
        return {"ed25519": sign_ed25519(self.secret(version, "ed25519"), manifest), "p256": kept.read_bytes(),
                "asc": openpgp.detached(manifest, public_raw(secret), self.release("openpgp")["created"], made,
                                        lambda digest: sign_ed25519(secret, digest))}


def main(arguments: list[str]) -> int:
    words = [argument for argument in arguments if argument != "--revoke"]
    if len(words) != 2 or words[0] not in ("init", "rotate"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    keys = Keys(pathlib.Path(words[1]))
    if (words[0] == "init") != (keys.version() == 0):
        print(f"keys.py: {words[1]} has root version {keys.version()}; init begins one, rotate goes on", file=sys.stderr)
        return 2
    keys.advance(int(time.time()), "--revoke" in arguments)
    print(f"root version {keys.version()}: {keys.folder / 'meta' / f'{keys.version()}.root.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
