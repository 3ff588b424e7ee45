"""Where a student comes from: its search, values and results, as a model card and as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import gain_over_baseline, undistilled, winning_trial
from tid_tune.results.run_folder import BEST, RunFolder
from tid_tune.search.stages.verdict import judge
from tid_tune.searchfile.dump import yaml_text
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params

README = "README.md"
VALUES = "values.yaml"
_PLAIN = re.compile(r"[A-Za-z_][\w.]*")
"""A path that needs no quotes in YAML."""


@dataclass(frozen=True)
class Origin:
    """What is known of the trial that trained a student."""

    search: str
    trial: str
    params: Params
    seed: int
    epochs: float
    metrics: Mapping[str, float]
    objective: str
    gain: float | None = None
    """In the objective over the student alone, at the same seed and length; more is better."""
    baseline: float | None = None
    """The student alone."""
    confirmed: str = ""
    """What the confirmation found, if it chose this trial."""

    def as_meta(self) -> dict[str, object]:
        """Return what the checkpoint keeps, as plain data."""
        return {
            "search": self.search,
            "trial": self.trial,
            "params": dict(self.params),
            "seed": self.seed,
            "epochs": self.epochs,
            "metrics": dict(self.metrics),
        }

    def card(self) -> str:
        """Return the section of the README: results and searched values."""
        lines = [
            f"Trial {self.trial} of the search {self.search}, trained for {self.epochs:g} epochs "
            f"with seed {self.seed}.",
            "",
            "| Result | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in self._results()),
            "",
            f"The searched values, also in `{VALUES}`:",
            "",
            *(f"    {line}" for line in _lines(self.params)),
        ]
        return "## Where it comes from\n\n" + "\n".join(lines) + "\n"

    def _results(self) -> list[tuple[str, str]]:
        value = self.metrics.get(self.objective)
        rows = [] if value is None else [(self.objective, f"{value:.3f}")]
        if self.baseline is not None and self.gain is not None:
            rows.append(("the same student without distillation", f"{self.baseline:.3f}"))
            rows.append(("gain, with this one seed", f"{self.gain:+.3f}"))
        if self.confirmed:
            rows.append(("confirmation with new seeds", self.confirmed))
        return rows

    def values(self) -> str:
        """Return the values as YAML: a point for `start_from`, to name or to paste."""
        head = (
            f"# The values of {self.trial} of the search {self.search}. In a search file, write\n"
            "# `start_from:` and the path of this file, or paste these lines below `start_from:`.\n"
        )
        return f"{head}- " + "\n  ".join(_lines(self.params) or ["{}"]) + "\n"


def origin_of(state: RunState, spec: SearchSpec, trial: Trial) -> Origin:
    """Return what the ledger knows of `trial`."""
    objective, last = spec.first_objective, trial.last
    gain = gain_over_baseline(trial, undistilled(state), spec)
    value = trial.value(objective)
    baseline = None if gain is None or value is None else value - spec.sign * gain
    return Origin(
        search=spec.name,
        trial=trial.id,
        params=dict(trial.params),
        seed=trial.seed,
        epochs=trial.epoch,
        metrics=dict(last.metrics) if last else {},
        objective=objective,
        gain=gain,
        baseline=baseline,
        confirmed=_confirmed(state, spec, trial),
    )


def is_written(run: RunFolder, origin: Origin) -> bool:
    """Return whether best/ holds the student of `origin`: its README is written last."""
    there = run.files.sizes(BEST)
    if not all(f"{BEST}/{name}" in there for name in ("config.py", "checkpoint.pth", README)):
        return False
    return origin.card() in run.files.read(f"{BEST}/{README}")


def _confirmed(state: RunState, spec: SearchSpec, trial: Trial) -> str:
    verdict = judge(state, spec) if trial is winning_trial(state, spec) else None
    return verdict.text if verdict is not None and verdict.winner == trial.id else ""


def _lines(params: Params) -> list[str]:
    """Return each value as a line of YAML."""
    return [
        f"{path if _PLAIN.fullmatch(path) else yaml_text(path)}: {yaml_text(value)}"
        for path, value in params.items()
    ]
