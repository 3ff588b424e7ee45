"""Samplers and schedulers of other packages: the examples of docs/, installed beside tid_tune."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.spec_project import write_project
from support.spec_samples import with_line

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ENTRY_POINTS = """
[tid_tune.samplers]
latin = latin_sampler
gone = no_such_module

[tid_tune.schedulers]
patience = patience_scheduler
"""
SUITES = """
from tid_tune.testing.samplers import SamplerContract
from tid_tune.testing.schedulers import SchedulerContract
from latin_sampler import LatinSampler
from patience_scheduler import Patience


class TestLatin(SamplerContract):
    sampler = LatinSampler


class TestPatience(SchedulerContract):
    scheduler = Patience
"""
"""What the other package's own tests are."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages with one more distribution."""
    folder = tmp_path / "site"
    info = folder / "others_parts-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    for name in ("latin_sampler.py", "patience_scheduler.py"):
        shutil.copy(EXAMPLES / name, folder)
    return folder


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that finds the other package."""
    path = os.pathsep.join([str(site), str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def command(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(site, "-c", "from tid_tune.cli import main; main()", *arguments)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text().splitlines()) < 60


def test_the_other_packages_tests_pass(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_suites.py").write_text(SUITES)
    done = python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_their_options_are_validated_and_completed_like_ours(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project()
    space = tmp_path / "search.yaml"
    space.write_text(with_line("sampler: {type: latin, points: 3}\nscheduler: patience"))
    done = command(site, "validate", str(space))
    assert done.returncode == 0, done.stderr
    assert "sampler latin; scheduler patience" in done.stdout
    space.write_text(with_line("sampler: {type: latin, points: 0, startup_trials: 4}"))
    done = command(site, "validate", str(space))
    assert done.returncode == 2
    assert "sampler.points: must be at least 1" in done.stderr
    assert "sampler.startup_trials: has no effect with type latin" in done.stderr
    schema = command(site, "schema").stdout
    assert "The points of one hypercube." in schema
    assert '"patience"' in schema


def test_a_part_that_cannot_be_loaded_is_named_with_its_package(site: Path) -> None:
    done = python(
        site,
        "-c",
        "from tid_tune.search.samplers import sampler_class; sampler_class('gone')",
    )
    assert "'gone' of others-parts" in done.stderr
    assert "no_such_module" in done.stderr
