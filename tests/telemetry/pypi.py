"""Packages of PyPI that a test compares with: in the build folder, and not of this machine's Python."""

import subprocess
import sys


def package(build, name, version):
    """Makes the package importable; ends with 77 where it cannot be had."""
    folder, environment = build / name, build / f"{name}-venv"
    if not folder.exists():
        got = subprocess.run([sys.executable, "-m", "venv", "--clear", environment], capture_output=True, text=True, check=False)
        if got.returncode == 0:
            got = subprocess.run([environment / "bin/pip", "-q", "install", "--target", folder, f"{name}=={version}"],
                                 capture_output=True, text=True, check=False)
        if got.returncode != 0:
            print(f"{name} {version} cannot be had: {got.stdout}{got.stderr}")
            sys.exit(77)
    sys.path.insert(0, str(folder))
