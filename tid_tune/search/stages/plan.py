"""The stages of a search: how many trainings each has, and those that are known beforehand.

Known beforehand are the baseline, and the reruns that confirm the best; the others are searched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tid_tune.ledger.events import ConfirmationPlanned
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import pareto_front, ranked_full_length
from tid_tune.search.schedulers import make_scheduler
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params, Space
from tid_tune.space.space import METHOD_PATH, config_key, method_edits

NONE = "none"
DEFAULTS = "defaults"
MAX_SEED = 2**32


@dataclass(frozen=True)
class Stage:
    """Upper bounds of a stage: fewer where trials are stopped early or the budget is spent."""

    name: str
    trainings: int
    epochs: float
    """Of all its trainings together."""


def stages(spec: SearchSpec) -> list[Stage]:
    """Return the stages of a search in their order."""
    longest = {"search": make_scheduler(spec).longest}
    counts = {
        "baseline": len(baseline_plan(spec)),
        "search": len(methods(spec)) * spec.trials_per_method,
        "confirm": confirm_runs(spec, most=True),
    }
    return [
        Stage(name, count, count * longest.get(name, float(spec.epochs)))
        for name, count in counts.items()
        if count
    ]


@dataclass(frozen=True)
class Planned:
    """One trial to run; `label` and `seed` identify it within its stage."""

    stage: str
    label: str
    params: Params
    edits: Params
    seed: int
    origin: str
    method: str = ""
    of: str | None = None

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes it the same planned trial after a resume."""
        return self.stage, self.label, self.seed


def methods(spec: SearchSpec) -> list[str]:
    """Return the methods that get a stream each; `[""]` without a comparison."""
    return list(spec.method) or [""]


def baseline_plan(spec: SearchSpec) -> list[Planned]:
    """Return the trials every gain is measured against: no distillation, and each method as it is.

    They have the config's own values, and the fixed parameters of the space.
    """
    if not spec.baseline:
        return []
    params = _fixed(spec, NONE)
    plan = [_default_trial(spec, NONE, params, {**params, METHOD_PATH: NONE})]
    # `none` among the compared methods has no defaults of its own.
    for method in (name for name in methods(spec) if name != NONE):
        label = f"{method} {DEFAULTS}" if len(spec.method) > 1 else DEFAULTS
        params = _fixed(spec, method)
        edits = {**params, **method_edits(method)}
        plan.append(_default_trial(spec, label, params, edits, method=method))
    return plan


def _default_trial(
    spec: SearchSpec, label: str, params: Params, edits: Params, method: str = ""
) -> Planned:
    return Planned(
        stage="baseline",
        label=label,
        params=params,
        edits=edits,
        seed=spec.seed,
        origin="baseline",
        method=method,
    )


def confirm_runs(spec: SearchSpec, *, most: bool = False) -> int:
    """Return how many full-length reruns the confirmation needs.

    `most`: with all the seeds that `confirm.until` may add.
    """
    if spec.confirm is None:
        return 0
    arms = spec.confirm.top * len(methods(spec)) + len(baseline_plan(spec))
    more = most and spec.confirm.until is not None
    return arms * (max(spec.confirm.seeds, spec.confirm.max_seeds) if more else spec.confirm.seeds)


def baseline_reruns(spec: SearchSpec) -> set[tuple[str, str, int]]:
    """Return the identities of the baseline's reruns: known before any candidate is."""
    seeds = _confirm_seeds(spec, 0 if spec.confirm is None else spec.confirm.seeds)
    return {("confirm", planned.label, seed) for planned in baseline_plan(spec) for seed in seeds}


def confirm_stage(state: RunState, spec: SearchSpec, seeds: int) -> ConfirmationPlanned:
    """Return which trials are rerun to confirm them, with this many new seeds.

    The best of each method by the first objective (with several objectives: of the Pareto front),
    and those that were confirmed before, so that nothing already known is lost.
    """
    assert spec.confirm is not None
    ranked = ranked_full_length(state, spec)
    if len(spec.objectives) > 1:
        front = pareto_front(ranked, spec)
        ranked = [trial for trial in ranked if trial.id in front]
    chosen: list[str] = []
    for method in methods(spec):
        seen: set[str] = set()
        for trial in ranked:
            key = config_key(trial.edits, 0)
            if trial.method == method and key not in seen and len(seen) < spec.confirm.top:
                seen.add(key)
                chosen.append(trial.id)
    before = () if state.confirmation is None else state.confirmation.candidates
    return ConfirmationPlanned(
        candidates=(*chosen, *(name for name in before if name not in chosen)),
        baselines=tuple(planned.label for planned in baseline_plan(spec)),
        seeds=tuple(_confirm_seeds(spec, seeds)),
    )


def confirm_plan(state: RunState, spec: SearchSpec) -> list[Planned]:
    """Return the reruns of the planned confirmation, seed by seed, the best candidate first.

    In this order a confirmation that the budget cuts short still compares equals.
    """
    stage = state.confirmation
    if stage is None:
        return []
    baselines = {planned.label: planned for planned in baseline_plan(spec)}
    plan = []
    for seed in stage.seeds:
        candidates = [_rerun(state.trials[name], seed) for name in stage.candidates]
        # A baseline may have left the spec since the stage was recorded.
        kept = [baselines[label] for label in stage.baselines if label in baselines]
        again = [replace(one, stage="confirm", seed=seed, of=one.label) for one in kept]
        plan += [*candidates[:1], *again, *candidates[1:]]
    return plan


def _rerun(trial: Trial, seed: int) -> Planned:
    return Planned(
        stage="confirm",
        label=trial.id,
        params=trial.params,
        edits={**trial.params, **method_edits(trial.method)},
        seed=seed,
        origin=f"confirm {trial.id}",
        method=trial.method,
        of=trial.id,
    )


def _fixed(spec: SearchSpec, method: str) -> Params:
    fixed = {name: dist for name, dist in spec.space.items() if dist.is_fixed}
    return Space(fixed, given=method_edits(method)).build(lambda name, dist: None)


def _confirm_seeds(spec: SearchSpec, count: int) -> list[int]:
    return [(spec.seed + 1 + i) % MAX_SEED for i in range(count)]
