"""What the best trial gains over the baselines, before any rerun with another seed."""

from __future__ import annotations

from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import gain_over_baseline
from tid_tune.search.stages.plan import DEFAULTS, NONE
from tid_tune.searchfile.model import SearchSpec

TUNED, TUNED_TEXT = f"({NONE}, tuned)", "(no distillation, tuned)"
"""How a confirmation marks a trial without a teacher, and how a reader understands it."""


def gains_over_baselines(trial: Trial, state: RunState, spec: SearchSpec) -> dict[str, float]:
    """Return the gain over no distillation, and over the defaults of the trial's method, by label.

    Both in the first objective at the same epoch and seed; more is better. A label without such a
    baseline is missing.
    """
    own = f"{trial.method} {DEFAULTS}" if trial.method else DEFAULTS
    gains = {}
    for label in (NONE, own):
        alike = [t for t in state.trials.values() if t.stage == "baseline" and t.label == label]
        gain = gain_over_baseline(trial, alike, spec)
        if gain is not None:
            gains[label] = gain
    return gains


def baseline_text(label: str) -> str:
    """Return what a gain is over: `no distillation`, `the tid defaults`, or a tuned trial."""
    if label == NONE:
        return "no distillation"
    return f"the {label}" if label.endswith(DEFAULTS) else label.replace(TUNED, TUNED_TEXT)
