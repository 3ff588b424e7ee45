"""Which trials can be trained side by side: those that see the same batches at the same time.

A pack has one data loader, one preprocessing and one teacher. So its members have the same seed,
start at the same place, and differ only in values that are each student's own. Which values these
are follows from their paths alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tid_tune import dotted
from tid_tune.ledger.records import ROUNDING, Position, Trial
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params
from tid_tune.space.space import config_key

PRIVATE = (
    "model.distillation",
    "model.student",
    # Of a config without a Distiller.
    "model.backbone",
    "model.neck",
    "model.bbox_head",
    "model.train_cfg",
    "model.test_cfg",
    "optim_wrapper",
    "param_scheduler",
)
"""What each trial of a pack has for itself. All other values are the same for the whole pack."""
SHARED = ("model.student.data_preprocessor",)
"""Parts of private values that the pack has in common."""


def is_private(path: str) -> bool:
    """Return whether trials that differ in the value at a path can be trained in one pack."""
    keys = dotted.split(path)
    if any(_begins(keys, dotted.split(shared)) for shared in SHARED):
        return False
    return any(keys[: len(start)] == start for start in map(dotted.split, PRIVATE))


def _begins(keys: list[str], others: list[str]) -> bool:
    """Return whether one path is the beginning of the other: it is it, or holds it."""
    count = min(len(keys), len(others))
    return keys[:count] == others[:count]


def shared_key(edits: Params) -> str:
    """Return what is equal for trials whose edits do not keep them out of one pack."""
    return config_key({path: value for path, value in edits.items() if not is_private(path)}, 0)


def separating(spec: SearchSpec) -> list[str]:
    """Return the parameters that differ between trials, and must not in one pack."""
    return [
        path
        for path, found in spec.space.items()
        if (found.when or not found.is_fixed) and not is_private(path)
    ]


@dataclass(frozen=True)
class Place:
    """What the members of a pack have in common; trials at equal places can share one."""

    shared: str
    seed: int
    fraction: float
    epoch: int
    """In units of `ROUNDING`."""
    step: int

    def begins_with(self, other: Place) -> bool:
        """Return whether it is `other`, apart from the values of the trials."""
        return replace(other, shared=self.shared) == self


@dataclass(frozen=True)
class Wanted:
    """The work that is looked for."""

    size: int = 1
    """How many trials the worker trains side by side."""
    place: Place | None = None
    """Where the pack is that a trial is to join; None: any work."""

    def fits(self, place: Place | None) -> bool:
        """Return whether a trial that starts at `place` is what is looked for."""
        return self.place is None or place == self.place


START = Position()


def place_of(edits: Params, seed: int, fraction: float = 1.0, at: Position = START) -> Place | None:
    """Return the place of a training; None: where it stands is not known.

    Args:
        edits: of the config.
        seed: of the trial, which the order of the data follows.
        fraction: of the training images.
        at: where it stands.
    """
    if at.epoch is None:
        return None
    units = round(at.epoch / ROUNDING)
    return Place(shared_key(edits), seed, round(fraction, 9), units, at.step)


def start_of(trial: Trial) -> Place | None:
    """Return where a trial goes on if it is started; None: it must be trained alone."""
    return _place_of(trial, trial.resume_point())


def common_place(members: Iterable[Trial]) -> Place | None:
    """Return where the running trials of a pack stand; None: at no common place."""
    places = {_place_of(trial, trial.position) for trial in members}
    return places.pop() if len(places) == 1 else None


def _place_of(trial: Trial, at: Position) -> Place | None:
    return None if trial.alone else place_of(trial.edits, trial.seed, trial.fraction, at)
