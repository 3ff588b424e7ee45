"""`tid-tune spaces`: what is shipped, on a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.shipped import files

ROOT = Path(__file__).parents[2]


def test_a_checkout_ships_the_files_of_its_own_folders() -> None:
    assert files.root() == ROOT
    names = sorted(path.stem for path in (ROOT / "search_spaces").glob("*.yaml"))
    assert [space.name for space in files.spaces()] == names


def test_each_space_is_listed_with_what_it_is_for() -> None:
    result = CliRunner().invoke(app, ["spaces"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for space in files.spaces():
        at = next(i for i, line in enumerate(lines) if line.split(" ")[0] == space.name)
        assert f"{space.detector} on {space.data}" in lines[at]
        assert lines[at].endswith(str(space.trials))
        assert lines[at + 1].strip() == space.summary
    assert max(map(len, lines)) <= 80


def test_methods_and_trials_of_a_based_space_are_those_in_effect() -> None:
    compared = files.find_space("methods_atss.yaml")
    assert compared.methods == ("none", "tid", "mimic", "defeat", "fgd", "pkd", "frs", "crosskd")
    assert compared.trials == 72
    assert files.find_space("voc_atss_r50_tid").methods == ("tid",)
    assert files.find_space("voc_atss_r50_tid").trials == 24


def test_the_purpose_holds_neither_commands_nor_the_editors_line() -> None:
    for space in files.spaces():
        assert space.summary.endswith(".")
        assert not any("tid-tune" in text or "yaml-language" in text for text in space.purpose)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"--from digits_glf_tid.*'digits_gfl_tid'.*spaces"):
        files.find_space("digits_glf_tid")
