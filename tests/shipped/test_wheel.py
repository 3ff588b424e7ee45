"""A wheel, used from an empty folder without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("tid_tune", "trainables", "search_spaces", "setup.py", "pyproject.toml", "README.md",
           "LICENSE", "MANIFEST.in")  # fmt: skip
BUILD = "import sys, setuptools.build_meta as build; build.build_wheel(sys.argv[1])"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; it is built from a copy, so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, source / name)
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=source, check=True, capture_output=True
    )
    shutil.rmtree(source)
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def run(wheel: Path, tmp_path: Path) -> Run:
    """A function that runs Python with the wheel and its dependencies, in an empty folder."""
    empty = tmp_path / "empty"
    empty.mkdir()
    return Run(wheel, empty)


class Run:
    """Runs Python in a folder, with the wheel in the place of the checkout."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel = wheel
        self.folder = folder

    def __call__(self, *arguments: str) -> str:
        """Return the output; fail the test if the command fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.wheel), "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tid_tune(self, *arguments: str) -> str:
        """Run the command line."""
        return self("-m", "tid_tune", *arguments)


def test_a_wheel_holds_each_search_space_and_config_once(wheel: Path) -> None:
    shipped = wheel / "tid_tune" / "shipped" / "files"
    for folder in ("search_spaces", "trainables/configs"):
        ours = {
            path.relative_to(ROOT): path.read_bytes()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        theirs = {
            path.relative_to(shipped): path.read_bytes()
            for path in (shipped / folder).rglob("*")
            if path.is_file()
        }
        assert ours == theirs
    assert sorted(path.name for path in wheel.iterdir() if path.suffix != ".dist-info") == [
        "tid_tune",
        "trainables",
    ]
    assert sorted(path.name for path in (wheel / "trainables").iterdir()) == [
        "__init__.py",
        "distillation.py",
    ]


def test_the_trainable_that_ledgers_name_is_in_the_wheel(run: Run, wheel: Path) -> None:
    code = (
        "import trainables.distillation as found, tid_tune;"
        "print(found.__file__, tid_tune.__file__, found.DistillationTrainable.__name__)"
    )
    module, package, name = run("-c", code).split()
    assert Path(module).is_relative_to(wheel)
    assert Path(package).is_relative_to(wheel)
    assert name == "DistillationTrainable"


def test_a_user_of_a_wheel_goes_from_nothing_to_a_valid_search(run: Run) -> None:
    assert "digits_gfl_tid" in run.tid_tune("spaces")
    run.tid_tune("data", "digits", "--out", "data/digits", "--images", "20", "--val-images", "8")
    output = run.tid_tune("init", "mine", "--from", "digits_gfl_tid")
    assert "tid-tune train mine/configs/gfl_teacher.py" in output
    teacher = run.folder / "runs" / "teacher-digits-gfl" / "checkpoint.pth"
    teacher.parent.mkdir(parents=True)
    teacher.touch()  # --quick asks whether it is there, and does not read it
    assert "valid" in run.tid_tune("validate", "--quick", "mine/search.yaml")
    assert "from the shipped" in run.tid_tune("init", "street", "--data", "data/digits")
