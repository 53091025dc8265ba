"""Adds the binary schemas of the events to the package: flatc makes them from events/schema of this repository."""

import pathlib
import subprocess

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDER = pathlib.Path(__file__).resolve().parent


class BuildWithSchemas(build_py):
    """Runs flatc over every schema, into `schemas` beside the modules."""

    def run(self):
        super().run()
        target = pathlib.Path(self.build_lib) / "travertine_events" / "schemas"
        target.mkdir(parents=True, exist_ok=True)
        sources = sorted((FOLDER / ".." / ".." / "events" / "schema").glob("*.fbs"))
        if not sources:
            raise SystemExit(f"setup.py: no schemas in events/schema beside {FOLDER}; "
                             "install the package from a checkout of the whole repository")
        try:
            subprocess.run(["flatc", "--binary", "--schema", "--bfbs-builtins", "-o", str(target), *map(str, sources)],
                           check=True)
        except FileNotFoundError:
            raise SystemExit("setup.py: flatc is not installed; on Debian: apt-get install flatbuffers-compiler") from None


setup(cmdclass={"build_py": BuildWithSchemas})
