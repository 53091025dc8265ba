"""Adds the published binary schemas of the events to the package."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

PUBLISHED = pathlib.Path(__file__).resolve().parents[1] / "schemas"


class BuildWithSchemas(build_py):
    """Copies every schema into `schemas` beside the modules."""

    def run(self):
        super().run()
        target = pathlib.Path(self.build_lib) / "travertine_events" / "schemas"
        target.mkdir(parents=True, exist_ok=True)
        published = sorted(PUBLISHED.glob("*.bfbs"))
        if not published:
            raise SystemExit(f"setup.py: no schemas in {PUBLISHED}; install the package from a checkout of the whole "
                             "repository")
        for schema in published:
            shutil.copy(schema, target)


setup(cmdclass={"build_py": BuildWithSchemas})
