"""The reruns of the confirmation, one after the other."""

from __future__ import annotations

from dataclasses import replace

from tid_tune.ledger.events import ConfirmationPlanned, Event
from tid_tune.ledger.records import Trial
from tid_tune.search.journal import Journal
from tid_tune.search.packs import Wanted
from tid_tune.search.stages.plan import Planned, confirm_plan, confirm_stage
from tid_tune.search.stages.spending import Spending
from tid_tune.search.stages.verdict import seeds_wanted
from tid_tune.search.suggestions import Suggestions
from tid_tune.searchfile.model import SearchSpec


class Confirming:
    """Plans the confirmation and starts its reruns. Fed by `apply`."""

    def __init__(
        self, spec: SearchSpec, journal: Journal, suggestions: Suggestions, spending: Spending
    ) -> None:
        self._spec = spec
        self._journal = journal
        self._state = journal.state
        self._suggestions = suggestions
        self._spending = spending
        self._plan: list[Planned] = []

    def apply(self, event: Event) -> None:
        """Take in an event that has been folded into the state already."""
        if isinstance(event, ConfirmationPlanned):
            self._plan = confirm_plan(self._state, self._spec)

    @property
    def runs(self) -> bool:
        """Whether reruns are being trained."""
        return any(self._state.trials[name].stage == "confirm" for name in self._state.running)

    @property
    def is_cut_short(self) -> bool:
        """Whether there are reruns that were planned and not started."""
        return self._has_candidates and bool(self._suggestions.missing(self._plan))

    def next(self, wanted: Wanted) -> Trial | None:
        """Return the next rerun that is what is looked for, if the budget covers it."""
        if self._spec.confirm is None:
            return None
        if not self.runs:
            seeds = seeds_wanted(self._state, self._spec)
            planned = confirm_stage(self._state, self._spec, seeds)
            known = self._state.confirmation
            if known is None or planned != replace(known, time=planned.time):
                self._journal.record(planned)
        if not self._has_candidates or not self._spending.affords_a_rerun():
            return None
        return self._suggestions.suggest_first(self._plan, wanted)

    @property
    def _has_candidates(self) -> bool:
        planned = self._state.confirmation
        return planned is not None and bool(planned.candidates)
