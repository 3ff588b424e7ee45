"""Records new trials, and no training twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tid_tune.errors import ConfigError
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Ended, Event, Suggested
from tid_tune.ledger.records import Status, Trial
from tid_tune.search.journal import Journal
from tid_tune.search.packs import Wanted, place_of
from tid_tune.search.stages.plan import Planned
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.source import DEFAULT_TRAINABLE
from tid_tune.space import Params
from tid_tune.space.space import config_key

Effective = Callable[[Params], Params]


def same_edits(edits: Params) -> Params:
    """Return edits as they are: only equal ones have the same effect."""
    return edits


def effective_of(spec: SearchSpec) -> Effective:
    """Return what tells that two trials of the search's config train the same."""
    from tid_tune.distill.equal_edits import effective_edits
    from tid_tune.openmmlab.configs import load_config

    if spec.trainable != DEFAULT_TRAINABLE:
        return same_edits
    try:
        model = load_config(spec.trial, imports=False).get("model") or {}
    except ConfigError:  # it is reported where the config is needed
        return same_edits
    return effective_edits(model.get("distillation") or {})


class Suggestions:
    """Knows which trials there are. What it knows comes from events, through `apply`."""

    def __init__(self, spec: SearchSpec, journal: Journal, effective: Effective) -> None:
        self._epochs = spec.epochs
        self._journal = journal
        self._effective = effective
        self._planned: set[tuple[str, str, int]] = set()
        self._keys: dict[str, str] = {}

    def apply(self, event: Event, trial: Trial) -> None:
        """Take in an event of a trial, after it has been folded into `trial`."""
        match event:
            case Suggested():
                self._planned.add(trial.identity)
                self._keys.setdefault(self._key(trial.edits, trial.seed), trial.id)
            case Ended() if trial.status is Status.FAILED and trial.cause is Cause.LOST:
                # Nothing is known about these values: they may be tried again.
                self._keys.pop(self._key(trial.edits, trial.seed), None)

    def taken(self, edits: Params, seed: int) -> bool:
        """Return whether there is a trial with the same effect."""
        return self._key(edits, seed) in self._keys

    def missing(self, plan: Iterable[Planned]) -> list[Planned]:
        """Return what has not been suggested yet."""
        return [planned for planned in plan if planned.identity not in self._planned]

    def suggest_first(self, plan: Iterable[Planned], wanted: Wanted) -> Trial | None:
        """Record the first trial of a plan that is new and what is looked for."""
        for planned in self.missing(plan):
            if not wanted.fits(place_of(planned.edits, planned.seed) if wanted.place else None):
                continue
            trial = self.suggest(planned)
            if trial is not None:
                return trial
        return None

    def suggest(self, planned: Planned, fraction: float = 1.0) -> Trial | None:
        """Record a new trial; None if an earlier one with the same values and seed answers it."""
        twin = self._keys.get(self._key(planned.edits, planned.seed))
        trial = self._journal.suggest(planned, self._epochs, fraction)
        if twin is None:
            return trial
        known = self._journal.state.trials[twin]
        same = config_key(known.edits, 0) == config_key(planned.edits, 0)
        what = "values" if same else "effective values"
        reason = f"the same {what} and seed as {twin}"
        self._journal.end(trial, Status.DUPLICATE, reason, of=twin)
        return None

    def _key(self, edits: Params, seed: int) -> str:
        return config_key(self._effective(edits), seed)
