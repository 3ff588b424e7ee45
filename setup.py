"""Put the shipped search spaces and configs into the wheel; all else is in pyproject.toml.

In the repository they are top-level folders. In a wheel they lie in `tid_tune/shipped/files`, with
the same paths below it, so that the paths written in them hold in both. An editable install reads
those of the repository.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
FOLDERS = ("search_spaces", "trainables/configs")


class BuildWithFiles(build_py):
    """Build the packages, and copy `FOLDERS` to where `tid_tune.shipped.files` looks for them."""

    def run(self) -> None:
        """Build; an editable install copies nothing."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "tid_tune", "shipped", "files")
        shutil.rmtree(target, ignore_errors=True)  # files of an earlier build may be gone by now
        for folder in FOLDERS:
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder, target / folder, ignore=unwanted)


setup(cmdclass={"build_py": BuildWithFiles})
