"""Gives back the disk space that a finished search no longer needs; its best student stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tid_tune.errors import UsageError
from tid_tune.export.origin import is_written, origin_of
from tid_tune.results.disk import checkpoint_sizes
from tid_tune.results.run_folder import BEST, RunFolder
from tid_tune.searchfile.source import DEFAULT_TRAINABLE


@dataclass(frozen=True)
class Spare:
    """A checkpoint of an ended trial, and its size in bytes."""

    trial: str
    what: str
    name: str
    """Of the file, in the run folder."""
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
        raise UsageError(f"{run.place} is driven by {holder}; wait for its end, or stop it first")
    return _found(run)


def delete_leftovers(run: RunFolder) -> Leftovers:
    """Delete what `leftovers` returns, and return it. No driver can start meanwhile.

    Raises:
        UsageError: as `leftovers`.
    """
    leftovers(run)
    with run.files.locked():
        # Read again: a driver may have begun and ended since.
        found = _found(RunFolder(run.place))
        for one in found.spare:
            run.files.delete(one.name)
    return found


def _found(run: RunFolder) -> Leftovers:
    if run.state.closed is None:
        raise UsageError(
            f"{run.place} is not finished: its trials need their checkpoints to go on. Finish it "
            "with `tid-tune run`, or delete the folder"
        )
    _require_best(run)
    spare, needed = [], 0
    for name, size in sorted(checkpoint_sizes(run).items()):
        owner = PurePosixPath(name).parent.name
        trial = run.state.trials.get(owner)
        if trial is not None and not trial.status.final:
            needed += 1
            continue
        what = "" if trial is None else f"{trial.stage} {trial.label or trial.origin}".strip()
        spare.append(Spare(owner, what, name, size))
    return Leftovers(tuple(spare), needed)


def _require_best(run: RunFolder) -> None:
    winner = run.winner
    if winner is None or is_written(run, origin_of(run.state, run.spec, winner)):
        return
    own = run.spec.trainable != DEFAULT_TRAINABLE
    # What such a one has saved is copied as it was: nothing names its trial.
    if own and run.files.size(f"{BEST}/checkpoint.pth") is not None:
        return
    raise UsageError(
        f"{run.shown(BEST)} does not hold the student of {winner.id}, whose weights would be lost. "
        "The `tid-tune run` command of the search writes it when it is run again"
    )
