"""Gives back the disk space that a finished search no longer needs; its best student stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.export.origin import is_written, origin_of
from tid_tune.ledger.lock import FileLock, lock_path
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.source import DEFAULT_TRAINABLE


@dataclass(frozen=True)
class Spare:
    """A checkpoint of an ended trial, and its size in bytes."""

    trial: str
    what: str
    path: Path
    size: int


@dataclass(frozen=True)
class Leftovers:
    """The checkpoints of a finished search: of ended trials, and of those that may go on."""

    spare: tuple[Spare, ...]
    needed: int
    """How many files belong to trials that go on if the search is extended; they stay."""

    @property
    def size(self) -> int:
        """Bytes that can be given back."""
        return sum(one.size for one in self.spare)


def leftovers(run: RunFolder) -> Leftovers:
    """Return what of a finished search can be deleted.

    Raises:
        UsageError: a driver runs it, it is not finished, or best/ does not hold its best student.
    """
    holder = run.holder()
    if holder is not None:
        raise UsageError(f"{run.path} is driven by {holder}; wait for its end, or stop it first")
    return _found(run)


def delete_leftovers(run: RunFolder) -> Leftovers:
    """Delete what `leftovers` returns, and return it. No driver can start meanwhile.

    Raises:
        UsageError: as `leftovers`.
    """
    leftovers(run)
    lock = FileLock(lock_path(run.ledger))
    try:
        # Read again: a driver may have begun and ended since.
        found = _found(RunFolder(run.path))
        for one in found.spare:
            one.path.unlink(missing_ok=True)
    finally:
        lock.release()
    return found


def _found(run: RunFolder) -> Leftovers:
    if run.state.closed is None:
        raise UsageError(
            f"{run.path} is not finished: its trials need their checkpoints to go on. Finish it "
            "with `tid-tune run`, or delete the folder"
        )
    _require_best(run)
    spare, needed = [], 0
    for path in sorted(run.trials.glob("*/*.pth")):
        trial = run.state.trials.get(path.parent.name)
        if trial is not None and not trial.status.final:
            needed += 1
            continue
        what = "" if trial is None else f"{trial.stage} {trial.label or trial.origin}".strip()
        spare.append(Spare(path.parent.name, what, path, path.stat().st_size))
    return Leftovers(tuple(spare), needed)


def _require_best(run: RunFolder) -> None:
    winner = run.winner
    if winner is None or is_written(run.best, origin_of(run.state, run.spec, winner)):
        return
    own = run.spec.trainable != DEFAULT_TRAINABLE
    if own and (run.best / "checkpoint.pth").is_file():  # copied as it was: nothing names its trial
        return
    raise UsageError(
        f"{run.best} does not hold the student of {winner.id}, whose weights would be lost. The "
        "`tid-tune run` command of the search writes it when it is run again"
    )
