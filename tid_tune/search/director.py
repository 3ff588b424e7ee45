"""What to start next, stage by stage.

1. What was interrupted goes on. 2. The baseline. 3. Search trials: paused ones that may go on,
then new ones. Baseline and search overlap. 4. When all of these have ended: the confirmation.
5. When it has ended: the result.

A pack is filled in the same order with what fits its first trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tid_tune.ledger.decisions import Cause, Decision, Suspend
from tid_tune.ledger.events import Closed, Event, ResultDecided
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import ALL_DONE
from tid_tune.results.costs import Cost
from tid_tune.results.ranking import best_trial
from tid_tune.search.decision import FINISHED, WAIT, Assignment, Pack, Signal
from tid_tune.search.journal import Journal
from tid_tune.search.packs import Place, Wanted, common_place, start_of
from tid_tune.search.searching import Searching
from tid_tune.search.stages.confirming import Confirming
from tid_tune.search.stages.failures import halt_reason
from tid_tune.search.stages.plan import baseline_plan
from tid_tune.search.stages.spending import Spending
from tid_tune.search.stages.verdict import judge
from tid_tune.search.stream import StartPoint
from tid_tune.search.suggestions import Effective, Suggestions
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import counted


class Director:
    """Chooses the next piece of work. Everything it knows comes from events, through `apply`."""

    def __init__(
        self,
        spec: SearchSpec,
        journal: Journal,
        start: Mapping[str, Sequence[StartPoint]],
        effective: Effective,
    ) -> None:
        self.spec = spec
        self.state = journal.state
        self._journal = journal
        self._baseline = baseline_plan(spec)
        self._suggestions = Suggestions(spec, journal, effective)
        self._spending = Spending(spec, journal, self._suggestions)
        self._confirming = Confirming(spec, journal, self._suggestions, self._spending)
        self.searching = Searching(spec, journal, self._suggestions, start)

    def apply(self, event: Event, trial: Trial | None) -> None:
        """Take in an event that has been folded into the state already."""
        self._confirming.apply(event)
        if trial is not None:
            self._suggestions.apply(event, trial)
            self._spending.apply(event, trial)
            self.searching.apply(event, trial)

    @property
    def spent(self) -> Cost:
        """What the search has cost so far."""
        return self._spending.spent

    def next_pack(self, size: int, *, named: bool) -> Pack | Signal:
        """Return work for one worker, WAIT, or FINISHED (the search has been closed).

        Args:
            size: trials that the worker can train side by side.
            named: whether the pack gets an id.
        """
        if self.state.closed is not None:
            return FINISHED
        limit = self.spec.resources.concurrent
        if limit is not None and self.state.workers >= limit:
            return WAIT
        halted = halt_reason(self.state)
        first = None if halted else self._work(Wanted(size))
        if first is None:
            return WAIT if self.state.running else self._close(halted)
        pack = f"p{len(self.state.packs) + 1:04d}" if named else ""
        place = start_of(first) if size > 1 else None
        members = [self._journal.start(first, pack)]
        if place is not None:
            members += self._joining(pack, place, size, count=size - 1)
        return Pack(pack, tuple(members))

    def refill(self, pack: str, size: int) -> list[Assignment]:
        """Return at most `size` trials that go on from where the trials of a pack stand."""
        known = self.state.packs.get(pack)
        halted = halt_reason(self.state)
        if known is None or self.state.closed is not None or halted is not None:
            return []
        place = common_place(self.state.trials[name] for name in known.running)
        return [] if place is None else self._joining(pack, place, size, count=size)

    def decide(self, trial: Trial, epoch: float, metrics: dict[str, float]) -> Decision:
        """Answer a report that is about to be recorded: what the scheduler makes of it."""
        return self.searching.decide(trial, epoch, metrics)

    def hold(self, trial: Trial, epoch: float, seconds: float) -> Suspend | None:
        """Return why a trial that is about to report, and would go on, may not."""
        halted = halt_reason(self.state)
        if halted is not None:
            return Suspend(halted, Cause.HALTED)
        return self._spending.hold(trial, epoch, seconds)

    def _joining(self, pack: str, place: Place, size: int, count: int) -> list[Assignment]:
        """Start up to `count` trials that join a pack at a place."""
        joined: list[Assignment] = []
        while len(joined) < count:
            trial = self._work(Wanted(size, place))
            if trial is None:
                break
            joined.append(self._journal.start(trial, pack))
        return joined

    def _work(self, wanted: Wanted) -> Trial | None:
        trial = self._waiting(wanted)
        if trial is None and self._spending.by_one_more("baseline") is None:
            trial = self._suggestions.suggest_first(self._baseline, wanted)
        if trial is None and self._spending.by_one_more("search") is None:
            trial = self.searching.next(wanted)
        if trial is not None or (self.state.running and not self._confirming.runs):
            return trial
        return self._confirming.next(wanted)

    def _waiting(self, wanted: Wanted) -> Trial | None:
        """Return an interrupted trial, or one that was suggested for another pack.

        Where packs are made, it is the first one of those that fill a pack best.
        """
        spent: dict[str, bool] = {}
        groups: dict[Place | str, list[Trial]] = {}
        for _, name in self.state.waiting:
            trial = self.state.trials[name]
            if trial.stage not in spent:
                spent[trial.stage] = self._spending.by_one_more(trial.stage) is not None
            if spent[trial.stage]:
                continue
            if wanted.size == 1 and wanted.place is None:
                return trial
            place = start_of(trial)
            if wanted.place is None:
                groups.setdefault(place or trial.id, []).append(trial)
            elif place == wanted.place:
                return trial
        fullest = max(groups.values(), key=lambda group: min(len(group), wanted.size), default=None)
        return None if fullest is None else fullest[0]

    def _close(self, halted: str | None) -> Signal:
        verdict = judge(self.state, self.spec)
        best = best_trial(self.state, self.spec)
        winner = verdict.winner if verdict is not None else None
        reason = halted or self._unfinished() or self._exhausted() or ALL_DONE
        self._journal.record(
            ResultDecided(
                winner=winner or (None if best is None else best.id),
                confirmed=winner is not None,
                text=verdict.text if verdict is not None else "",
            )
        )
        self._journal.record(Closed(reason=reason))
        return FINISHED

    def _unfinished(self) -> str | None:
        """Return what the budget kept from being done."""
        ended = all(trial.status.final for trial in self.state.trials.values())
        if not ended or any(stream.open for stream in self.searching.streams.values()):
            return self._spending.by_one_more("search")
        # A rerun begins only if all of it fits.
        return self._spending.by_a_rerun() if self._confirming.is_cut_short else None

    def _exhausted(self) -> str | None:
        for stream in self.searching.streams.values():
            if stream.exhausted:
                name = f" of {stream.method}" if stream.method else ""
                tried = counted(stream.count, "trial")
                return f"every point of the space{name} has been tried ({tried})"
        return None
