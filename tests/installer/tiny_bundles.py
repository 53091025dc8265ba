#!/usr/bin/env python3
"""Small signed bundles for tests of what verifies them: `tiny_bundles.py FOLDER` makes

    one         1.0.0, counter 100          two       1.1.0, counter 200, the same keys
    rotated     1.2.0, counter 300, root 2; the release keys of root 1 are revoked
    floor       1.1.1, counter 210, security floor 150
    foreign     as two, of another root     expired   as two, of a root that has expired
    single      as rotated, root 2 signed by one key of root 1
"""

import json
import pathlib
import shutil
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "installer/bundle"))
import build
import keys

CREATED = 1_790_000_000


def bundle(folder: pathlib.Path, store: keys.Keys, version: str, counter: int, floor: int = 0) -> None:
    for name, text in (("bin/travd", f"#!/bin/sh\necho travd {version}\n"), ("bin/trav", "#!/bin/sh\nexit 0\n"),
                       ("bin/trav-installer", "#!/bin/sh\nexit 0\n"), ("lib/libempty.so", ""),
                       ("share/sbom/travertine.spdx.json", "{}\n"), ("share/sbom/travertine.cdx.json", "{}\n")):
        file = folder / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if name.startswith("bin/") else 0o644)
    (folder / "install.sh").write_text("exit 0\n")
    shutil.copytree(store.folder / "meta", folder / "meta")
    (folder / "meta/release.gpg").write_bytes(store.keyring())
    options = types.SimpleNamespace(version=version, counter=counter, security_floor=floor)
    manifest = build.manifest_of(folder, options, CREATED, store.version())
    (folder / "meta/manifest.json").write_bytes(manifest)
    for end, signature in store.sign(manifest, CREATED).items():
        (folder / f"meta/manifest.json.{end}").write_bytes(signature)


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    ours = keys.Keys(out / "keys")
    ours.advance(CREATED)
    bundle(out / "one", ours, "1.0.0", 100)
    bundle(out / "two", ours, "1.1.0", 200)
    bundle(out / "floor", ours, "1.1.1", 210, 150)
    theirs = keys.Keys(out / "keys-of-others")
    theirs.advance(CREATED)
    bundle(out / "foreign", theirs, "1.1.0", 200)
    old = keys.Keys(out / "keys-of-old")
    old.advance(CREATED - 2 * keys.LIFETIME_S)
    bundle(out / "expired", old, "1.1.0", 200)
    ours.advance(CREATED, revoke=True)
    bundle(out / "rotated", ours, "1.2.0", 300)
    signatures = out / "keys/meta/2.root.json.signatures"
    signatures.write_bytes(keys.canonical(json.loads(signatures.read_text())[1:]))
    bundle(out / "single", ours, "1.2.0", 300)


if __name__ == "__main__":
    main()
