"""Find a trained student in the folder of a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.export.origin import Origin, is_written, origin_of
from tid_tune.ledger.records import Status, Trial
from tid_tune.openmmlab.configs import Config, load_config
from tid_tune.results.run_folder import BEST, RunFolder


@dataclass(frozen=True)
class Found:
    """A trial's resolved config, its checkpoint, and where they come from."""

    config: Config
    checkpoint: Path
    origin: Origin
    run: RunFolder
    """A file that was fetched from a store is there as long as this is."""


def find_student(run: RunFolder, trial: str = BEST) -> Found:
    """Return the student of a trial (`t0007`), or of the best one, in the run folder `run`.

    Raises:
        UsageError: there is no such run, trial or checkpoint.
        ConfigError: the trial's config cannot be read any more.
    """
    chosen = run.trial(trial)
    origin = origin_of(run.state, run.spec, chosen)
    # best/ is written at the end of a command: a search that was killed, or still runs, may have a
    # better trial since.
    if trial == BEST and is_written(run, origin):
        for name in ("config.py", "checkpoint.pth"):
            run.files.fetch(f"{BEST}/{name}")
        return Found(load_config(run.best / "config.py"), run.best / "checkpoint.pth", origin, run)
    own = run.checkpoint(chosen)
    if own is None:
        raise UsageError(f"{run.place} has no weights of trial {chosen.id}: {_why_none(chosen)}")
    return Found(load_config(run.spec.trial, chosen.edits), own, origin, run)


def _why_none(trial: Trial) -> str:
    if trial.status is Status.DUPLICATE:
        return f"it has the values and the seed of {trial.of}, which was trained in its place"
    if not trial.reports:
        reason = f": {trial.reason}" if trial.reason else ""
        return f"it is {trial.status.value} and has reported nothing{reason}"
    early = "early, " if trial.status is Status.STOPPED else ""
    return (
        f"it was {trial.status.value} {early}at epoch {trial.epoch:g}, and weights are kept of "
        "trials of full length only: those that `keep` in the search file names"
    )
