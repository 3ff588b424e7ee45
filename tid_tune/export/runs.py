"""Find a trained student in the folder of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from tid_tune.errors import UsageError
from tid_tune.openmmlab.configs import load_config
from tid_tune.search.ledger import LEDGER_NAME
from tid_tune.search.ranking import winning_trial
from tid_tune.search.records import Trial
from tid_tune.search.state import RunState
from tid_tune.spec.model import SearchSpec

BEST = "best"


@dataclass(frozen=True)
class Found:
    """A trial's resolved config, its checkpoint, and what is known of it as plain data."""

    config: Config
    checkpoint: Path
    provenance: Mapping[str, Any]


def find_student(run: Path, trial: str = BEST) -> Found:
    """Return the student of a trial (`t0007`), or of the best one, in the run folder `run`.

    Raises:
        UsageError: there is no such run, trial or checkpoint.
        ConfigError: the trial's config cannot be read any more.
    """
    state = RunState.read(run / LEDGER_NAME)
    spec = SearchSpec.model_validate(state.spec)
    chosen = winning_trial(state, spec) if trial == BEST else state.trials.get(trial)
    if chosen is None:
        known = ", ".join(state.trials) or "none"
        what = "no trial of full length yet" if trial == BEST else f"no trial {trial}"
        raise UsageError(f"{run} has {what}; its trials: {known}")
    provenance = _provenance(run, chosen)
    kept = run / BEST
    if trial == BEST and (kept / "checkpoint.pth").is_file():
        return Found(load_config(kept / "config.py"), kept / "checkpoint.pth", provenance)
    checkpoint = chosen.last.checkpoint if chosen.last else None
    if checkpoint is None or not (run / checkpoint).is_file():
        raise UsageError(f"the checkpoint of trial {chosen.id} in {run} was not kept")
    return Found(load_config(spec.trial, chosen.edits), run / checkpoint, provenance)


def _provenance(run: Path, trial: Trial) -> dict[str, Any]:
    return {
        "search": run.name,
        "trial": trial.id,
        "params": dict(trial.params),
        "seed": trial.seed,
        "epochs": trial.epoch,
        "metrics": dict(trial.last.metrics) if trial.last else {},
    }
