"""A schedule keeps its shape when a trial is shorter or longer than its config."""

from __future__ import annotations

from typing import Any

import pytest

from tid_tune.errors import ConfigError
from tid_tune.trial.schedule import config_length, scaled

ONE_X = [
    {"type": "LinearLR", "by_epoch": False, "begin": 0, "end": 500, "start_factor": 0.001},
    {"type": "MultiStepLR", "by_epoch": True, "begin": 0, "end": 12, "milestones": [8, 11]},
]


def test_the_configs_own_length_changes_nothing() -> None:
    assert scaled(ONE_X, 1) is ONE_X


def test_half_the_length_halves_every_position_rounding_down() -> None:
    warmup, steps = scaled(ONE_X, 0.5)
    assert (warmup["begin"], warmup["end"], warmup["start_factor"]) == (0, 250, 0.001)
    assert (steps["end"], steps["milestones"]) == (6, [4, 5])


def test_twice_the_length_doubles_every_position() -> None:
    assert scaled(ONE_X, 2)[1]["milestones"] == [16, 22]


def test_a_quotient_that_is_not_exact_does_not_lose_an_epoch() -> None:
    assert scaled({"type": "X", "T_max": 9}, 1 / 9 * 3)["T_max"] == 3


def test_no_interval_becomes_empty() -> None:
    late = scaled({"type": "CosineAnnealingLR", "begin": 10, "end": 12, "T_max": 2}, 0.1)
    assert late["end"] > late["begin"] >= 1
    assert late["T_max"] == 1


def test_schedulers_without_an_end_keep_none() -> None:
    assert scaled({"type": "ConstantLR", "end": 10**9}, 0.5)["end"] == 10**9


def test_schedules_of_several_optimizers_are_all_scaled() -> None:
    parts = {"one": [{"type": "MultiStepLR", "milestones": [8]}]}
    assert scaled(parts, 0.5) == {"one": [{"type": "MultiStepLR", "milestones": [4]}]}


@pytest.mark.parametrize(
    ("cfg", "length"),
    [
        ({"by_epoch": True, "max_epochs": 12}, ("epochs", 12)),
        ({"type": "IterBasedTrainLoop", "max_iters": 90000}, ("iters", 90000)),
    ],
)
def test_a_config_says_how_long_it_trains(cfg: dict[str, Any], length: tuple[str, float]) -> None:
    assert config_length(cfg) == length


@pytest.mark.parametrize("cfg", [{}, {"max_epochs": 0}, {"max_epochs": "12"}])
def test_a_config_that_does_not_is_an_error(cfg: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="max_epochs"):
        config_length(cfg)
