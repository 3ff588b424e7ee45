"""Find a trained student in the folder of a search."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.ledger.records import Status, Trial
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.results.run_folder import BEST, RunFolder


@dataclass(frozen=True)
class Found:
    """A trial's resolved config, its checkpoint, and what is known of it as plain data."""

    config: Config
    checkpoint: Path
    provenance: Mapping[str, object]


def find_student(run: RunFolder, trial: str = BEST) -> Found:
    """Return the student of a trial (`t0007`), or of the best one, in the run folder `run`.

    Raises:
        UsageError: there is no such run, trial or checkpoint.
        ConfigError: the trial's config cannot be read any more.
    """
    chosen = run.trial(trial)
    provenance = _provenance(run, chosen)
    own = run.checkpoint(chosen)
    kept = run.best / "checkpoint.pth"
    if trial == BEST and _is_of(kept, own):
        return Found(load_config(run.best / "config.py"), kept, provenance)
    if own is None:
        raise UsageError(f"{run.path} has no weights of trial {chosen.id}: {_why_none(chosen)}")
    return Found(load_config(run.spec.trial, chosen.edits), own, provenance)


def _is_of(kept: Path, own: Path | None) -> bool:
    """Return whether best/ has this trial's weights.

    It is written at the end of a command: a search that was killed, or still runs, may have a
    better trial since.
    """
    if not kept.is_file():
        return False
    return own is None or filecmp.cmp(kept, own, shallow=False)


def _why_none(trial: Trial) -> str:
    if trial.status is Status.DUPLICATE:
        return f"it has the values and the seed of {trial.of}, which was trained in its place"
    if not trial.reports:
        reason = f": {trial.reason}" if trial.reason else ""
        return f"it is {trial.status.value} and has reported nothing{reason}"
    early = "early, " if trial.status is Status.STOPPED else ""
    return (
        f"it was {trial.status.value} {early}at epoch {trial.epoch:g}, and checkpoints are kept of "
        "baselines, confirmations and the best trials of full length only"
    )


def _provenance(run: RunFolder, trial: Trial) -> dict[str, object]:
    return {
        "search": run.name,
        "trial": trial.id,
        "params": dict(trial.params),
        "seed": trial.seed,
        "epochs": trial.epoch,
        "metrics": dict(trial.last.metrics) if trial.last else {},
    }
