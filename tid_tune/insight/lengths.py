"""Values of trials at equal lengths: only these may be compared with each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tid_tune.ledger.records import Report, Trial
from tid_tune.search.samplers.observations import Length
from tid_tune.searchfile.model import SearchSpec

Array = NDArray[np.float64]

MOST = 6
"""Lengths that are compared; of more, the rungs and some between them are taken."""
_DECIMALS = 6
"""Epochs are quotients of iteration counts: they are compared with so many decimals."""


@dataclass(frozen=True)
class Curves:
    """The first objective of trials at some lengths, the shortest first.

    `values` has shape (trials, lengths), as reported; NaN where a trial has no value.
    """

    trials: tuple[Trial, ...]
    lengths: tuple[Length, ...]
    values: Array
    sign: float
    """1 where more is better, else -1."""

    @property
    def counts(self) -> list[int]:
        """How many trials have a value at each length."""
        return [int(count) for count in np.isfinite(self.values).sum(axis=0)]

    def at(self, index: int) -> tuple[list[Trial], Array]:
        """Return the trials with a value at a length, and these values."""
        there = np.isfinite(self.values[:, index])
        return [self.trials[i] for i in np.flatnonzero(there)], self.values[there, index]

    def longest(self, least: int) -> int | None:
        """Return the index of the longest length that `least` trials have a value at."""
        enough = [index for index, count in enumerate(self.counts) if count >= least]
        return max(enough, default=None)


def curves_of(trials: Sequence[Trial], spec: SearchSpec) -> Curves:
    """Return the values of trials at lengths that two of them reported at, and the full one."""
    counts = Counter(length for trial in trials for length, _ in _lengths(trial, spec))
    full = (1.0, float(spec.epochs))
    lengths = _chosen([one for one, count in counts.items() if count > 1 or one == full], spec)
    rows = [values_of(trial, lengths, spec) for trial in trials]
    values = np.array(rows).reshape(len(trials), len(lengths))
    return Curves(tuple(trials), lengths, values, spec.sign)


def values_of(trial: Trial, lengths: Sequence[Length], spec: SearchSpec) -> Array:
    """Return the values of a trial at some lengths; NaN where it has none."""
    values = np.full(len(lengths), np.nan)
    place = {length: index for index, length in enumerate(lengths)}
    for length, report in _lengths(trial, spec):
        if length in place:
            value = report.metrics.get(spec.first_objective, math.nan)
            values[place[length]] = value if math.isfinite(value) else math.nan
    return values


def length_text(length: Length) -> str:
    """Return `epoch 3`, or `epoch 3 on 0.25 of the data`."""
    part = "" if length.fraction == 1.0 else f" on {length.fraction:.3g} of the data"
    return f"epoch {length.epoch:g}{part}"


def _lengths(trial: Trial, spec: SearchSpec) -> Iterator[tuple[Length, Report]]:
    """Yield the lengths at which a trial can be compared with others, and its reports there.

    Where trials report within epochs, an epoch's length may differ between them: then these are the
    first reports at or behind a rung, as the scheduler compares them.
    """
    if spec.report_every.unit == "epoch":
        for report in trial.reports:
            yield Length(report.fraction, round(report.epoch, _DECIMALS)), report
        return
    for level in (*(spec.scheduler.rungs(spec.epochs) or ()), float(spec.epochs)):
        found = trial.report_at(level)
        if found is not None:
            yield Length(1.0, level), found


def _chosen(lengths: list[Length], spec: SearchSpec) -> tuple[Length, ...]:
    """Return at most about `MOST` of the lengths, the shortest first; rungs are among them."""
    lengths = sorted(lengths, key=lambda length: (length.cost, length.fraction))
    if len(lengths) <= MOST:
        return tuple(lengths)
    rungs = {round(level, _DECIMALS) for level in spec.scheduler.rungs(spec.epochs) or ()}
    chosen = {at for at, length in enumerate(lengths) if length.epoch in rungs}
    chosen |= {0, len(lengths) - 1}
    costs = np.log([length.cost for length in lengths])
    # The others fill the widest gaps: what an epoch adds falls with the epochs.
    while len(chosen) < MOST:
        near = np.min([np.abs(costs - costs[at]) for at in chosen], axis=0)
        chosen.add(int(np.argmax(near)))
    return tuple(lengths[at] for at in sorted(chosen))
