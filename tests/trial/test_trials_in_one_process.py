"""Trials after each other in a process do not see each other."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trial_runs import (
    EMA,
    make,
    trained,
)

from tid_tune import warm
from tid_tune.errors import TrialError


def test_trials_after_each_other_in_a_process_do_not_touch(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config(EMA, flip=0.5)
    other = {"optim_wrapper.optimizer.lr": 0.03}
    with make(config, tmp_path, epochs=1) as trial:
        first = trained(trial.step())
    with make(config, tmp_path, other, epochs=1, seed=8) as trial:
        assert trained(trial.step()) != first
    with make(config, tmp_path, epochs=1) as trial:
        assert trained(trial.step()) == first


def test_close_puts_the_process_back(shapes_config: Callable[..., Path], tmp_path: Path) -> None:
    from mmengine.logging import MessageHub, MMLogger

    def process() -> tuple[Any, ...]:
        return (
            set(MMLogger._instance_dict),
            set(MessageHub._instance_dict),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_rng_state().sum().item(),
        )

    before = process()
    trial = make(
        shapes_config("randomness = dict(deterministic=True)\n"), tmp_path, epochs=1, threads=2
    )
    assert torch.get_num_threads() == 2
    trial.step()
    trial.close()
    trial.close()
    assert process() == before
    with pytest.raises(TrialError, match="closed"):
        trial.step()


FRESH = """
import json, sys
from pathlib import Path
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial
config, work_dir = map(Path, sys.argv[1:])
with Trial(config, {}, seed=3, epochs=1, report_every=Interval(), work_dir=work_dir,
           device="cpu", threads=1) as trial:
    print(json.dumps(trial.step().metrics))
"""


def test_a_trial_after_another_equals_one_in_a_fresh_process(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config(EMA, flip=0.5)
    other = shapes_config("randomness = dict(deterministic=True)\n", name="other.py", width=8)
    with make(other, tmp_path, epochs=1, seed=9) as trial:
        trial.step()
    with make(config, tmp_path, epochs=1, threads=1) as trial:
        here = trial.step()
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(config), str(tmp_path / "fresh")],
        capture_output=True,
        text=True,
        check=True,
    )
    there = dataclasses.replace(here, metrics=json.loads(done.stdout))
    assert trained(there) == trained(here)


def test_a_second_trial_reads_no_annotations_and_trains_the_same(
    shapes_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.clear()
    with make(shapes_config(), tmp_path, epochs=1) as trial:
        expected = trained(trial.step())
    with make(shapes_config(), tmp_path, epochs=1, fraction=0.5) as trial:
        trial.step()
    monkeypatch.delattr(json, "load")
    with make(shapes_config(), tmp_path, epochs=1) as trial:
        assert trained(trial.step()) == expected
