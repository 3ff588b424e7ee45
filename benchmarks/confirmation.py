"""How often the confirmation says `real gain`: without a true gain (its level) and with one.

    python benchmarks/confirmation.py                  # table; about a minute on one core
    python benchmarks/confirmation.py --draws 100000 --write

Draws the mAP of candidates and of a baseline that are trained with the same seeds, picks the
candidate with the best mean, and judges it as `confirm` does. Unit: the standard deviation of a
candidate over seeds. `ratio` is the baseline's standard deviation; `shared` is the share of a
candidate's variance that a seed gives to every arm alike (image order, initial weights).

Level: no candidate differs from the baseline; `real gain` should come in at most 2.5 % of the
searches, and the interval of the winner's difference should hold 0 in 95 %. Power: all candidates
are better by 1, 2 and 3 standard deviations. `pooled` is the earlier rule, for comparison: one
variance for all arms, unpaired, Bonferroni. `one odd` has a candidate that scatters three times as
much as the others. The second table adds seeds until the interval is as narrow as `until`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tid_tune.search.stages.paired import margins
from tid_tune.search.stages.statistics import LEVEL, t_quantile
from tid_tune.search.stages.verdict import UNTIL_LEVEL, seeds_for

RESULT = Path("benchmarks/results/confirmation.json")
CANDIDATES, SEEDS, RATIOS, SHARED = (2, 3, 8), (3, 5, 10), (1.0, 2.0, 3.5, 5.4, 6.0), (0.0, 0.6)
GAINS = (1.0, 2.0, 3.0)

Array = npt.NDArray[np.float64]
Cell = dict[str, Any]


def draw(
    rng: np.random.Generator,
    draws: int,
    candidates: int,
    seeds: int,
    ratio: float,
    shared: float,
    odd: float = 1.0,
) -> tuple[Array, Array]:
    """Return values: candidates (draws, candidates, seeds) and baseline (draws, seeds)."""
    common = rng.standard_normal((draws, 1, seeds)) * np.sqrt(shared)
    own = rng.standard_normal((draws, candidates, seeds)) * np.sqrt(1 - shared)
    own[:, 0] *= odd
    base = rng.standard_normal((draws, seeds)) * np.sqrt(ratio**2 - shared)
    return common + own, common[:, 0] + base


def pooled(candidates: Array, reference: Array) -> Array:
    """Return the margin of the earlier rule, shape (draws, candidates)."""
    count, seeds = candidates.shape[-2:]
    variance = (candidates.var(-1, ddof=1).sum(-1) + reference.var(-1, ddof=1)) / (count + 1)
    quantile = t_quantile(1 - (1 - LEVEL) / 2 / count, (count + 1) * (seeds - 1))
    margin = quantile * np.sqrt(variance * 2 / seeds)
    return np.broadcast_to(margin[:, None], candidates.shape[:2])


def outcome(candidates: Array, reference: Array, margin: Array) -> tuple[float, float]:
    """Return how often the winner has a real gain, and how often its interval holds 0, in %."""
    means = candidates.mean(-1)
    winner = means.argmax(-1)[:, None]
    gap = np.take_along_axis(means, winner, 1)[:, 0] - reference.mean(-1)
    half = np.take_along_axis(margin, winner, 1)[:, 0]
    return float(100 * np.mean(gap > half)), float(100 * np.mean(np.abs(gap) <= half))


def cell(count: int, seeds: int, ratio: float, shared: float, odd: float, draws: int) -> Cell:
    """Simulate one situation without a gain and with each of `GAINS`."""
    rng = np.random.default_rng([count, seeds, int(10 * ratio), int(10 * shared), int(odd)])
    values, reference = draw(rng, draws, count, seeds, ratio, shared, odd)
    new, old = margins(values, reference, LEVEL), pooled(values, reference)
    level, coverage = outcome(values, reference, new)
    old_level, old_coverage = outcome(values, reference, old)
    return {
        "candidates": count,
        "seeds": seeds,
        "ratio": ratio,
        "shared": shared,
        "odd": odd,
        "level": round(level, 2),
        "coverage": round(coverage, 2),
        "power": [round(outcome(values + g, reference, new)[0], 1) for g in GAINS],
        "pooled_level": round(old_level, 2),
        "pooled_coverage": round(old_coverage, 2),
        "pooled_power": [round(outcome(values + g, reference, old)[0], 1) for g in GAINS],
    }


def until(count: int, ratio: float, shared: float, target: float, draws: int) -> Cell:
    """Simulate `until: target`, from 3 to at most 20 seeds, without a gain."""
    rng = np.random.default_rng([count, int(10 * ratio), int(10 * shared), 1000])
    values, reference = draw(rng, draws, count, 20, ratio, shared)
    seeds = np.full(draws, 3)
    real, holds, wide = np.zeros(draws, bool), np.zeros(draws, bool), np.ones(draws, bool)
    for size in range(3, 21):
        now = np.flatnonzero(wide & (seeds == size))
        if not now.size:
            continue
        mine, theirs = values[now, :, :size], reference[now, :size]
        half, means = margins(mine, theirs, UNTIL_LEVEL), mine.mean(-1)
        winner = means.argmax(-1)[:, None]
        width = np.take_along_axis(half, winner, 1)[:, 0]
        gap = np.take_along_axis(means, winner, 1)[:, 0] - theirs.mean(-1)
        real[now], holds[now], wide[now] = gap > width, np.abs(gap) <= width, width > target
        more = [min(seeds_for(float(one), size, target), 2 * size, 20) for one in width]
        seeds[now] = np.where(width > target, np.maximum(more, size), size)
        wide[now[seeds[now] == size]] = False
    return {
        "candidates": count,
        "ratio": ratio,
        "shared": shared,
        "until": target,
        "level": round(float(100 * real.mean()), 2),
        "coverage": round(float(100 * holds.mean()), 2),
        "seeds": round(float(seeds.mean()), 1),
    }


def table(cells: list[Cell]) -> str:
    """Return the cells as Markdown."""
    lines = [
        "| candidates | seeds | ratio | shared | level % | coverage % | power at 1, 2, 3 sd % "
        "| pooled: level | coverage | power |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in cells:
        powers = [", ".join(f"{v:.0f}" for v in one[key]) for key in ("power", "pooled_power")]
        ratio = f"{one['ratio']:g}" + (", one odd" if one["odd"] > 1 else "")
        lines.append(
            f"| {one['candidates']} | {one['seeds']} | {ratio} | {one['shared']:g} "
            f"| {one['level']:.1f} | {one['coverage']:.1f} | {powers[0]} "
            f"| {one['pooled_level']:.1f} | {one['pooled_coverage']:.1f} | {powers[1]} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the command line, simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help=f"also write {RESULT}")
    options = parser.parse_args()
    situations = [
        (count, seeds, ratio, shared, 1.0)
        for count in CANDIDATES
        for seeds in SEEDS
        for shared in SHARED
        for ratio in RATIOS
    ]
    situations += [(count, seeds, 1.0, 0.0, 3.0) for count in CANDIDATES for seeds in SEEDS]
    cells = [cell(*situation, options.draws) for situation in situations]
    print(table(cells))
    added = [
        until(count, ratio, shared, target, min(options.draws, 10_000))
        for count in (2, 3)
        for ratio in (1.0, 3.5)
        for shared in SHARED
        for target in (1.0, 3.0)
    ]
    print(
        "\n| candidates | ratio | shared | until (sd) | level % | coverage % | seeds on average |"
    )
    print("|---|---|---|---|---|---|---|")
    for one in added:
        print("| " + " | ".join(f"{value:g}" for value in one.values()) + " |")
    if options.write:
        results = {"draws": options.draws, "cells": cells, "until": added}
        RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
