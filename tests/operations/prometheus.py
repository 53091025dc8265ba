"""The programs of Debian's package prometheus."""

import pathlib
import shutil
import subprocess
import tempfile


def program(folder: pathlib.Path, name: str):
    """`promtool` or `prometheus`: of this machine, or unpacked into the folder; None where they cannot be had."""
    found = shutil.which(name) or folder / "usr" / "bin" / name
    if pathlib.Path(found).exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        got = subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=download, capture_output=True, check=False)
        packages = list(pathlib.Path(download).glob("*.deb"))
        if got.returncode != 0 or not packages:
            return None
        subprocess.run(["dpkg-deb", "-x", packages[0], folder], check=True)
    return found
