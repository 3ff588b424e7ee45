"""What early stopping, packs and the cache of the teacher's work have saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median

from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import devices, trial_cost
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.space import METHOD_PATH
from tid_tune.trial.report import TEACHER_CACHED, TRAINING_SPEED


@dataclass(frozen=True)
class Untrained:
    """Epochs that were not trained, and what they would have cost. An estimate.

    The hours are of devices, at the pace of each trial, or the median one where it has none.
    """

    trials: int
    epochs: float
    hours: float


@dataclass(frozen=True)
class Pace:
    """Median seconds that a training image takes, over trials, without each trial's first report.

    The first report has the time to build the model. Evaluation is part of the others.
    """

    alone: float
    """The student without distillation."""
    distilled: float

    @property
    def ratio(self) -> float:
        """How many times as long a distilled image takes."""
        return self.distilled / self.alone


@dataclass(frozen=True)
class Packs:
    """Trials that were trained side by side, and the pace of those beside the pace of single ones.

    Seconds of an image, as in `Pace`: of a worker's time, a member of a pack is charged its share.
    """

    packs: int
    trials: int
    together: float | None
    single: float | None
    """None: no distilled trial was trained by itself, so that there is nothing to compare with."""


@dataclass(frozen=True)
class Cached:
    """What the cache of the teacher's work has answered."""

    share: float
    """Of the training images that a teacher was needed for."""
    seconds: float | None
    """How much less a training image takes that is in the cache. An estimate, from how the pace of
    reports changes with their share; None: their shares are too alike."""
    hours: float | None
    """Of devices, that were saved; None as above."""


_SPREAD = 0.3
"""Of the shares: below that, nothing is estimated from them."""


@dataclass(frozen=True)
class Savings:
    """What was saved; a part that has not been used is None."""

    stopped: Untrained | None
    duplicates: Untrained | None
    """Trials with the values and the seed of another one, whose result was taken."""
    packs: Packs | None
    pace: Pace | None
    cached: Cached | None
    """None: without a cache, or in ledgers of earlier versions."""


def savings(state: RunState, spec: SearchSpec) -> Savings:
    """Return what the search has saved so far.

    It is measured against a search that trains each of these trials by itself to its full length.
    """
    trials = list(state.trials.values())
    stopped = [t for t in trials if t.status is Status.STOPPED]
    duplicates = [t for t in trials if t.status is Status.DUPLICATE]
    return Savings(
        stopped=_untrained(stopped, trials, spec),
        duplicates=_untrained(duplicates, trials, spec),
        packs=_packs(state),
        pace=_pace(trials),
        cached=_cached(trials, spec),
    )


def _untrained(left: list[Trial], trials: list[Trial], spec: SearchSpec) -> Untrained | None:
    if not left:
        return None
    usual = _seconds_per_epoch(trials)
    epochs = seconds = 0.0
    for trial in left:
        cost = trial_cost(trial)
        missing = max(0.0, trial.epochs - cost.epochs)
        own = cost.seconds / cost.epochs if cost.epochs else usual
        epochs, seconds = epochs + missing, seconds + missing * own
    return Untrained(len(left), epochs, seconds * devices(spec.resources) / 3600)


def _seconds_per_epoch(trials: Iterable[Trial]) -> float:
    costs = [cost for cost in map(trial_cost, trials) if cost.epochs]
    return median(cost.seconds / cost.epochs for cost in costs) if costs else 0.0


def _packs(state: RunState) -> Packs | None:
    shared = {
        name for pack in state.packs.values() if len(pack.members) > 1 for name in pack.members
    }
    if not shared:
        return None
    distilled = [trial for trial in state.trials.values() if _is_distilled(trial)]
    return Packs(
        packs=sum(len(pack.members) > 1 for pack in state.packs.values()),
        trials=len(shared),
        together=_median_pace(trial for trial in distilled if trial.id in shared),
        single=_median_pace(trial for trial in distilled if trial.id not in shared),
    )


def _cached(trials: list[Trial], spec: SearchSpec) -> Cached | None:
    # The first report of a training has what is done once: firsts are compared with firsts.
    groups: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    images = found = 0.0
    for trial in trials:
        for report in trial.reports:
            share, speed = (report.metrics.get(name) for name in (TEACHER_CACHED, TRAINING_SPEED))
            if share is None or not report.images:
                continue
            images, found = images + report.images, found + share * report.images
            if speed:
                groups[report is trial.reports[0]].append((share, 1 / speed))
    if not images:
        return None
    seconds = _saved_seconds(groups.values())
    hours = None if seconds is None else found * seconds * devices(spec.resources) / 3600
    return Cached(found / images, seconds, hours)


def _saved_seconds(groups: Iterable[list[tuple[float, float]]]) -> float | None:
    """Return by how much the pace falls from a share of 0 to 1: one slope, a level a group."""
    spread = common = 0.0
    widest = 0.0
    for points in groups:
        if len(points) < 2:
            continue
        shares, paces = zip(*points, strict=True)
        middle, usual = fmean(shares), fmean(paces)
        widest = max(widest, max(shares) - min(shares))
        spread += sum((share - middle) ** 2 for share in shares)
        common += sum((share - middle) * (pace - usual) for share, pace in points)
    return -common / spread if widest >= _SPREAD else None


def _pace(trials: list[Trial]) -> Pace | None:
    alone = _median_pace(trial for trial in trials if not _is_distilled(trial))
    distilled = _median_pace(trial for trial in trials if _is_distilled(trial))
    return None if alone is None or distilled is None else Pace(alone, distilled)


def _median_pace(trials: Iterable[Trial]) -> float | None:
    paces = [pace for pace in map(_seconds_per_image, trials) if pace is not None]
    return median(paces) if paces else None


def _seconds_per_image(trial: Trial) -> float | None:
    reports = [report for report in trial.reports[1:] if report.images]
    images = sum(report.images for report in reports)
    return sum(report.seconds for report in reports) / images if images else None


def _is_distilled(trial: Trial) -> bool:
    return trial.edits.get(METHOD_PATH) != "none"
