"""The sizes of a run folder, alone and as `tid-tune status` shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.search_cases import make_spec
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.ledger.file import Ledger
from tid_tune.results.disk import Sizes, disk_sizes, size_text
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (
        ("best/checkpoint.pth", 1000),
        ("trials/t0001/epoch_2_step_4.pth", 2_500_000),
        ("trials/t0001/trial.log", 10),
        ("trials/t0002/epoch_1_step_2.pth", 500_000),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


def test_checkpoints_and_best_are_counted_by_themselves(folder: Path) -> None:
    assert disk_sizes(RunFolder(folder)) == Sizes(3_001_010, 3_000_000, 2, 1000)
    assert disk_sizes(RunFolder(folder / "nothing")) == Sizes(0, 0, 0, 0)


def test_a_size_has_three_digits() -> None:
    sizes = (0, 999, 1000, 999_499, 999_500, 45_060_000, 1_634_000_000, 5 * 10**15)
    shown = ["0 B", "999 B", "1 kB", "999 kB", "1 MB", "45.1 MB", "1.63 GB", "5e+03 TB"]
    assert list(map(size_text, sizes)) == shown


def test_status_shows_them(folder: Path) -> None:
    with Ledger.open(folder / "ledger.jsonl", sync=False) as ledger:
        Search.open(make_spec(), ledger)
    result = CliRunner().invoke(app, ["status", str(folder)])
    assert result.exit_code == 0, result.output
    assert "on disk: 3 MB, of it 2 checkpoints 3 MB, best/ 1 kB" in result.output
