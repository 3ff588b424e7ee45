"""Every shipped search space is valid, says how it is run, and runs the trials it promises."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.small_trials import CONFIGS, ROOT

from tid_tune import searchfile
from tid_tune.distill.registry import METHODS
from tid_tune.ledger.file import Ledger
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock
from tid_tune.searchfile.model import SearchSpec

SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
METHOD = "model.distillation.method"


@pytest.fixture(autouse=True)
def _project_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@functools.cache
def load(name: str) -> SearchSpec:
    return searchfile.load(ROOT / "search_spaces" / f"{name}.yaml", check_files=False)


def simulated(space: SearchSpec) -> list[Any]:
    """The assignments of a whole search whose trials differ in quality but cost nothing."""
    clock, assignments = VirtualClock(), {}
    ledger = Ledger.in_memory(clock=clock)

    def objective(assignment: Any, epoch: float) -> dict[str, float]:
        assignments[assignment.trial] = assignment
        return {"coco/bbox_mAP": 0.5 + math.sin(int(assignment.trial[1:]) + epoch) / 10}

    Simulator(Search.open(space, ledger), objective, clock).run()
    return list(assignments.values())


def searched(assignments: list[Any], *keys: str) -> set[tuple[Any, ...]]:
    """The values of these options of the method in the trials of the grid itself."""
    return {
        tuple(item.params.get(f"model.distillation.{key}") for key in keys)
        for item in assignments
        if item.stage == "search"
    }


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_is_valid_and_opens_with_the_command_that_runs_it(path: Path) -> None:
    space = load(path.stem)
    assert space.trial.is_relative_to(ROOT / "trainables" / "configs")
    schema, command, *_ = path.read_text().splitlines()
    assert schema == "# yaml-language-server: $schema=./schema.json"
    assert command == f"# tid-tune run search_spaces/{path.name}"


def test_every_distilling_config_has_a_space_of_its_own_name() -> None:
    found = [load(path.stem) for path in SPACES]
    assert {space.trial for space in found} == {p for p in CONFIGS if p.stem.endswith("_tid")}
    assert len({space.name for space in found}) == len(found)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_commands_in_comments_name_files_that_are_there(path: Path) -> None:
    text = path.read_text()
    for file in re.findall(r"(?:trainables|search_spaces|docs)/\S+\.(?:py|yaml|md)", text):
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize(
    ("name", "keys", "cells"),
    [
        (
            "ablation_tasks",
            ("tasks", "key_threshold"),
            {("both", None), ("classification", 2.0), ("regression", 2.0)},
        ),
        (
            "ablation_thresholds",
            ("thresholds", "pos_iou"),
            {("detector", None), ("fixed", 0.5), ("fixed", 0.6), ("fixed", 0.7)},
        ),
        (
            "ablation_areas",
            ("areas",),
            {("both",), ("key",), ("weak",), ("none",)},
        ),
        (
            "ablation_decoupling",
            ("areas", "rest_weight", "precedence"),
            {("none", None, None)}
            | {("both", w, p) for w in (0.0, 0.1, 0.3, 1.0) for p in ("weak", "key")},
        ),
    ],
)
def test_an_ablation_runs_every_cell_of_its_grid_with_several_seeds(
    name: str, keys: tuple[str, ...], cells: set[tuple[Any, ...]]
) -> None:
    space = load(name)
    assignments = simulated(space)
    assert searched(assignments, *keys) == cells
    assert space.confirm is not None
    confirmed = Counter(item.label for item in assignments if item.stage == "confirm")
    assert set(confirmed.values()) == {space.confirm.seeds}
    assert len(confirmed) == len(cells) + 2  # and no distillation, and TID's defaults
    assert all(item.epochs == space.epochs for item in assignments)


@pytest.mark.parametrize(
    ("name", "left_out"), [("methods", set()), ("methods_atss", {"ld"})], ids=["gfl", "atss"]
)
def test_the_comparison_gives_every_method_as_many_trials(name: str, left_out: set[str]) -> None:
    space = load(name)
    assert set(space.method) == set(METHODS.names()) - left_out
    assignments = simulated(space)
    trials = Counter(item.edits[METHOD] for item in assignments if item.stage == "search")
    assert trials == dict.fromkeys(space.method, space.trials // len(space.method))
    options = {
        item.edits[METHOD]: {
            path.removeprefix("model.distillation.")
            for path in item.params
            if path.startswith("model.distillation.")
        }
        for item in assignments
        if item.stage == "search"
    }
    assert options.pop("none") == set()
    assert all("loss_weight" in found for found in options.values())
    assert all(found <= METHODS.get(method).options().keys() for method, found in options.items())
    confirmed = {item.edits[METHOD] for item in assignments if item.stage == "confirm"}
    assert confirmed == set(space.method)
