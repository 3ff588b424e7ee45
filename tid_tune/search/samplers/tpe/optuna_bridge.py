"""Show observations to an Optuna sampler, and read one suggestion from it.

Optuna samplers work on a `Study`. Ours is a view: its storage holds nothing but the observations
of the moment, so a suggestion is a function of them, costs the same after 10,000 trials as after
300, and nothing has to be restored after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tid_tune.search.samplers.observations import Observation
from tid_tune.space import Distribution, Params, Space
from tid_tune.space.optuna_forms import quiet_optuna

_NAME = "view"
_CACHED = 500


class Bridge:
    """Translates one space; caches the translation of each observation."""

    def __init__(self, space: Space, objectives: int) -> None:
        self.space = space
        self.codes = {name: d.optuna_codes() for name, d in space.searched.items()}
        self._storage = _View(objectives)
        self._frozen: dict[int, tuple[Observation, FrozenTrial]] = {}
        self._running: dict[int, tuple[Params, FrozenTrial]] = {}

    def suggest(
        self,
        make: Callable[[], BaseSampler],
        results: Sequence[Observation],
        pending: dict[int, Params],
    ) -> Params:
        """Return the point a new sampler proposes.

        Parameters with equal conditions are one group, modelled on the trials that have it.
        """
        if len(self._frozen) > _CACHED + 2 * len(results):
            self._frozen.clear()
        trials = [self._finished(observation) for observation in results]
        trials += self._unfinished(pending)
        asked = self._trial(max((t.number for t in trials), default=-1) + 1, {})
        relative: dict[str, tuple[Study, dict[str, Any]]] = {}

        def pick(name: str, dist: Distribution) -> Any:
            if self.codes[name].single():
                return dist.decode(0.5)
            group = _group(dist)
            if group not in relative:
                codes = self._group_codes(group)
                seen = [t for t in trials if name in t.params] if dist.when else trials
                study = self._storage.study(seen, sampler)
                relative[group] = study, sampler.sample_relative(study, asked, codes)
            study, found = relative[group]
            code = found.get(name)
            if code is None:
                code = sampler.sample_independent(study, asked, name, self.codes[name])
            return dist.from_optuna_code(code)

        with quiet_optuna():
            sampler = make()
            return self.space.build(pick)

    def _group_codes(self, group: str) -> dict[str, BaseDistribution]:
        """Return what is modelled jointly: the parameters that are always there together."""
        return {
            name: self.codes[name]
            for name, dist in sorted(self.space.searched.items())
            if _group(dist) == group and not self.codes[name].single()
        }

    def _finished(self, observation: Observation) -> FrozenTrial:
        cached = self._frozen.get(observation.number)
        if cached is not None and cached[0] is observation:
            return cached[1]
        trial = self._trial(observation.number, observation.params)
        if observation.step is None:
            trial.state = TrialState.COMPLETE
            trial.values = list(observation.values)
        else:
            trial.state = TrialState.PRUNED
            trial.intermediate_values = {observation.step: observation.values[0]}
        self._frozen[observation.number] = (observation, trial)
        return trial

    def _unfinished(self, pending: dict[int, Params]) -> list[FrozenTrial]:
        """Return the running trials by number; on many nodes, most are those of the last time."""
        before, self._running = self._running, {}
        for number, params in sorted(pending.items()):
            known = before.get(number)
            if known is None or known[0] is not params:
                known = params, self._trial(number, params)
            self._running[number] = known
        return [trial for _, trial in self._running.values()]

    def _trial(self, number: int, params: Params) -> FrozenTrial:
        codes = {
            n: d.to_optuna_code(params[n]) for n, d in self.space.searched.items() if n in params
        }
        return FrozenTrial(
            trial_id=number,
            number=number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params=codes,
            distributions={name: self.codes[name] for name in codes},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )


class _View(InMemoryStorage):
    """A storage with one study, whose trials are a list that is given."""

    def __init__(self, objectives: int) -> None:
        super().__init__()
        self._view: list[FrozenTrial] = []
        with quiet_optuna():
            self.create_new_study([StudyDirection.MAXIMIZE] * objectives, _NAME)

    def study(self, trials: list[FrozenTrial], sampler: BaseSampler) -> Study:
        """Return a study of `trials`; earlier ones are not valid any more."""
        self._view = trials
        # A new one each time: a study remembers the trials it has read.
        return Study(_NAME, self, sampler=sampler, pruner=NopPruner())

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of the view."""
        return [trial for trial in self._view if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Drop what the sampler wants to remember: the next view is made from the ledger."""


def _group(dist: Distribution) -> str:
    return repr(sorted(dist.when.items()))
