"""The shipped search spaces cut the scores of TID between their steps, once between each two."""

from __future__ import annotations

import itertools
from bisect import bisect
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tid_tune.distill.methods.tid.settings import TIDSettings

SPACES = Path(__file__).parents[4] / "search_spaces"
PREFIX = "model.distillation."


def scores() -> list[float]:
    """The importances a point can have, ascending."""
    settings = TIDSettings()
    levels = (settings.score_low, settings.score_middle, settings.score_high)
    return sorted({round(a * b, 9) for a, b in itertools.product(levels, levels)})


def leads() -> list[float]:
    """The positive differences of two importances, ascending."""
    pairs = itertools.product(scores(), scores())
    return sorted({round(a - b, 9) for a, b in pairs if a > b})


def test_the_scores_have_six_values_and_their_differences_fifteen() -> None:
    assert scores() == [0.16, 0.6, 0.8, 2.25, 3.0, 4.0]
    assert len(leads()) == 15


@pytest.mark.parametrize("space", ["digits_gfl_tid", "coco_gfl_r50_tid"])
def test_no_two_cuts_give_the_same_areas_and_none_lies_on_a_step(space: str) -> None:
    found = YAML(typ="safe").load(SPACES / f"{space}.yaml")["space"]
    steps = {"key_threshold": scores(), "weak_threshold": leads()}
    searched = [name for name in steps if PREFIX + name in found]
    assert searched
    for name in searched:
        cuts = found[PREFIX + name]["ordinal"]
        assert cuts == sorted(cuts)
        assert not set(cuts) & set(steps[name])
        places = [bisect(steps[name], cut) for cut in cuts]
        assert len(set(places)) == len(places)
        default = bisect(steps[name], getattr(TIDSettings(), name) - 1e-9)
        assert default in places, "the default's areas can be found"
