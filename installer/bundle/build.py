#!/usr/bin/env python3
"""Makes a bundle from a build: `./dev bundle`. docs/formats/bundle.md says what is in it.

The same sources, build and keys give the same bytes. Prints the file, its size and digest, and what an operator needs
from elsewhere for a first installation.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import re
import sys
import tarfile
import tempfile
import time

import files
import keys
import packages

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURE = "x86_64"
EVENT_SCHEMAS = ROOT / "events/projection/known_events.hpp"


def version_of_project() -> str:
    return re.search(r"project\(travertine VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)


def event_schemas() -> dict:
    """Which schema versions of events this version reads, and the highest that it writes: of the sources of travd."""
    found = re.search(r"schema_version_known = (\d+);", EVENT_SCHEMAS.read_text())
    if found is None:
        raise SystemExit(f"bundle: {EVENT_SCHEMAS} does not say schema_version_known")
    return {"reads": [1, int(found.group(1))], "writes": int(found.group(1))}


def time_of_sources() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given) if given else int(files.run("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def described(folder: pathlib.Path) -> list[str]:
    """One line for each file, in the order of their names."""
    out = []
    for path in sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: str(path.relative_to(folder))):
        data = path.read_bytes()
        out.append(json.dumps({"path": str(path.relative_to(folder)), "size": len(data),
                               "mode": format(path.stat().st_mode & 0o777, "04o"), "sha256": sha256(data)},
                              separators=(",", ":")))
    return out


def manifest_of(folder: pathlib.Path, options: argparse.Namespace, created: int, root_version: int) -> bytes:
    head = {"format": "travertine-bundle/1", "version": options.version, "architecture": ARCHITECTURE,
            "release_counter": options.counter, "security_floor": options.security_floor, "created": keys.utc(created),
            "root_version": root_version, "event_schemas": event_schemas(),
            "sbom": {name: sha256((folder / "files/share/sbom" / file).read_bytes())
                     for name, file in (("spdx", "travertine.spdx.json"), ("cyclonedx", "travertine.cdx.json"))}}
    lines = [json.dumps({key: value}, separators=(",", ":"))[1:-1] for key, value in head.items()]
    return ("{" + ",\n".join(lines) + ',\n"files":[\n' + ",\n".join(described(folder)) + "\n]}\n").encode()


def pack(folder: pathlib.Path, target: pathlib.Path, created: int) -> None:
    """A tar of the folder, with names in order and one time, compressed without a time."""
    def of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = created
        entry.mode = 0o755 if entry.isdir() else entry.mode & 0o777
        return entry

    with open(target, "wb") as out, gzip.GzipFile("", "wb", 6, out, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            archive.add(folder, folder.name, recursive=False, filter=of_nobody)
            for path in sorted(folder.rglob("*")):
                archive.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=of_nobody)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the folder of the build")
    parser.add_argument("--output", type=pathlib.Path, help="where the bundle goes; <build>/bundle")
    parser.add_argument("--keys", type=pathlib.Path, help="the folder of the keys; <build>/bundle-keys, made where missing")
    parser.add_argument("--version", default=version_of_project())
    parser.add_argument("--counter", type=int, help="the release counter; from the version: 1.2.3 is 1002003")
    parser.add_argument("--security-floor", type=int, default=0, help="the lowest counter that may be gone back to")
    parser.add_argument("--packages", action="store_true", help="also .deb, .rpm and an OCI image layout")
    options = parser.parse_args()
    if options.counter is None:
        major, minor, patch = (int(part) for part in options.version.split("-")[0].split("."))
        options.counter = major * 1_000_000 + minor * 1_000 + patch
    output = options.output or options.build / "bundle"
    store = keys.Keys(options.keys or options.build / "bundle-keys")
    created = time_of_sources()
    if store.version() == 0:
        store.advance(int(time.time()))
        print(f"bundle: made keys for development in {store.folder}; a release takes --keys")
    output.mkdir(parents=True, exist_ok=True)
    name = f"travertine-{options.version}-{ARCHITECTURE}"
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / name
        tree = folder / "files"
        files.collect(ROOT, options.build, tree, options.version, keys.utc(created))
        files.copy(ROOT / "installer/install.sh", folder / "install.sh", 0o755)
        for file in sorted((store.folder / "meta").glob("*.root.json*")):
            files.copy(file, folder / "meta" / file.name, 0o644)
        keyring = store.keyring()
        (folder / "meta/release.gpg").write_bytes(keyring)
        (folder / "meta/release.gpg").chmod(0o644)
        manifest = manifest_of(folder, options, created, store.version())
        (folder / "meta/manifest.json").write_bytes(manifest)
        for end, signature in store.sign(manifest, created).items():
            (folder / "meta" / f"manifest.json.{end}").write_bytes(signature)
        for file in (folder / "meta").iterdir():
            file.chmod(0o644)
        made = output / f"{name}.tar.gz"
        pack(folder, made, created)
        installed = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
        more = packages.write(tree, output, options.version, created) if options.packages else []
    public = output / "release.p256.pem"
    public.write_bytes(keys.openssl("pkey", "-in", str(store.secret(store.version(), "p256")), "-pubout"))
    data = made.read_bytes()
    print(f"{made}\n  size       {len(data) / 1e6:.1f} MB, installed {installed / 1e6:.1f} MB\n  sha256     {sha256(data)}\n"
          f"  counter    {options.counter}\n  give to operators by another way than the bundle:\n"
          f"  release key, SHA-256 of meta/release.gpg   {sha256(keyring)}\n"
          f"  for OpenSSL in place of gpgv                {public}")
    for file in more:
        print(f"{file}\n  size       {file.stat().st_size / 1e6:.1f} MB\n  sha256     {sha256(file.read_bytes())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
