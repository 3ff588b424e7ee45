"""The parts in tests/fixtures/plugin_package work from a separate installed package.

docs/extending.md shows these files. Each runs here in another process, with the package installed
in a folder of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.doc_pages import ROOT, blocks
from support.spec_project import write_project

PACKAGE = ROOT / "tests/fixtures/plugin_package"
EXAMPLES = sorted([*PACKAGE.glob("tid_tune_examples/*.py"), PACKAGE / "curve_trainable.py"])
PAGE = (ROOT / "docs/extending.md").read_text()
(SHOWN,) = blocks("yaml", "docs/extending.md")
SEARCH = f"name: parts\ntrial: config.py\nepochs: 4\ntrials: 10\n{SHOWN.text}"
SIMULATE = """
import sys
from tid_tune import load, simulate

def curve(work, epoch):
    size = work.params.get("train_dataloader.batch_size", 1)
    return {"coco/bbox_mAP": (1 - abs(size - 4) / 16) * epoch / 4}

search = simulate(load("search.yaml"), curve, workers=2)
for trial in search.state.trials.values():
    print(trial.status, trial.params.get("train_dataloader.batch_size"), trial.reason)
"""


class Installed:
    """A Python in which the package of the page is installed."""

    def __init__(self, site: Path, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run `python ARGUMENTS` in the folder, and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in."""
    source, target = tmp_path_factory.mktemp("package") / "source", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", str(target)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)
    return target


@pytest.fixture
def installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """In a folder with a search that names the parts."""
    monkeypatch.chdir(tmp_path)
    write_project()
    Path("search.yaml").write_text(SEARCH)
    return Installed(site, tmp_path)


def test_the_parts_pass_the_contracts(installed: Installed) -> None:
    shutil.copy(PACKAGE / "test_parts.py", installed.folder)
    run = ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", "test_parts.py"]
    assert re.search(r"\n\d+ passed", installed.run(*run))


def test_a_search_that_names_them_is_valid(installed: Installed) -> None:
    text = installed.run("-m", "tid_tune", "validate", "--quick", "search.yaml")
    assert "parts: file and config are valid" in text
    assert "power of two 1, 16" in text
    assert "sampler nearby; scheduler margin" in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sampler: {type: nearby, chnge: 0.1}", r"sampler\.chnge.*'change'"),
        ("scheduler: {type: margin, margin: -1}", r"scheduler\.margin.*-1"),
        ("space: {model.distillation.power: 9}", r"power.*9"),
        ("space: {train_dataloader.batch_size: {power_of_two: [1, 5]}}", r"5 is no power of two"),
    ],
)
def test_their_options_are_checked_like_ours(line: str, message: str, installed: Installed) -> None:
    Path("wrong.yaml").write_text(f"base: search.yaml\n{line}\n")
    assert re.search(
        message, installed.run("-m", "tid_tune", "validate", "--quick", "wrong.yaml", fails=True)
    )


def test_the_schema_completes_them(installed: Installed) -> None:
    schema = installed.run("-m", "tid_tune", "schema")
    for name in ("nearby", "startup_trials", "margin", "power_of_two", "cosine"):
        assert f'"{name}"' in schema, name
    assert '"model.distillation.power"' in schema


def test_validate_needs_no_torch_for_them(installed: Installed) -> None:
    code = "import sys, tid_tune; tid_tune.load('search.yaml'); print('torch' in sys.modules)"
    assert installed.run("-c", code).strip() == "False"


def test_a_search_uses_them(installed: Installed) -> None:
    lines = installed.run("-c", SIMULATE).splitlines()
    statuses = [line.split()[0] for line in lines]
    assert {"completed", "stopped"} <= set(statuses)
    assert any("behind the best trial" in line for line in lines)
    assert {line.split()[1] for line in lines} <= {"1", "2", "4", "8", "16", "None"}


def test_without_the_package_the_parts_are_unknown(installed: Installed) -> None:
    installed.env["PYTHONPATH"] = str(ROOT)
    text = installed.run("-m", "tid_tune", "validate", "--quick", "search.yaml", fails=True)
    for name in ("cosine", "power_of_two", "nearby", "margin"):
        assert f"'{name}'" in text


def test_a_trainable_runs_without_a_detector(installed: Installed) -> None:
    for name in ("curve_trainable.py", "curve.py", "curve.yaml"):
        shutil.copy(PACKAGE / name, installed.folder)
    installed.run("-m", "tid_tune", "run", "curve.yaml")
    status = installed.run("-m", "tid_tune", "status", "runs/curve")
    assert "curve: finished: all trials are done" in status


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_shown_on_the_page(example: Path) -> None:
    assert len(example.read_text().splitlines()) < 60
    if example.name != "__init__.py":
        shown = f"../{example.relative_to(ROOT).as_posix()}"
        assert f"```{{literalinclude}} {shown}" in PAGE
