"""A trial that trains each batch in parts, for want of memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.trial_runs import make, run_to_end


def test_a_trial_in_parts_says_so_and_trains_as_long_as_another(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with make(shapes_config(), tmp_path / "whole") as trial:
        whole = run_to_end(trial)
        assert trial.mode() == {}
    with make(shapes_config(), tmp_path / "parts", parts=2) as trial:
        parts = run_to_end(trial)
        assert trial.mode() == {"batch": "in 2 parts"}
    assert [(r.step, r.epoch, r.images) for r in parts] == [
        (r.step, r.epoch, r.images) for r in whole
    ]
    assert parts[0].metrics["train/loss"] != whole[0].metrics["train/loss"]
    assert abs(parts[0].metrics["train/loss"] / whole[0].metrics["train/loss"] - 1) < 0.5
