"""What to start next, stage by stage.

1. What was interrupted goes on. 2. The baseline. 3. Search trials: paused ones that may go on,
then new ones. Baseline and search overlap. 4. When all of these have ended: the confirmation.
5. When it has ended: the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tid_tune.ledger.decisions import CONTINUE, Cause, Decision, Suspend
from tid_tune.ledger.events import (
    Closed,
    ConfirmationPlanned,
    Ended,
    Event,
    ResultDecided,
    Started,
    Suggested,
)
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import ALL_DONE
from tid_tune.results.costs import Cost, Meter
from tid_tune.results.ranking import best_trial
from tid_tune.search.decision import FINISHED, WAIT, Assignment, Signal
from tid_tune.search.journal import Journal
from tid_tune.search.samplers.base import rng_for
from tid_tune.search.schedulers import Continuation
from tid_tune.search.schedulers.perturb import perturb
from tid_tune.search.stages.budget import BudgetGuard
from tid_tune.search.stages.failures import halt_reason
from tid_tune.search.stages.plan import (
    Planned,
    baseline_plan,
    baseline_reruns,
    confirm_plan,
    confirm_runs,
    confirm_stage,
    methods,
)
from tid_tune.search.stages.verdict import judge, seeds_wanted
from tid_tune.search.stream import StartPoint, Stream
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params
from tid_tune.space.space import config_key, method_edits
from tid_tune.words import counted

Effective = Callable[[Params], Params]


def same_edits(edits: Params) -> Params:
    """Return edits as they are: only equal ones have the same effect."""
    return edits


class Director:
    """Chooses the next piece of work. Everything it knows comes from events, through `apply`."""

    def __init__(
        self,
        spec: SearchSpec,
        journal: Journal,
        start: Mapping[str, Sequence[StartPoint]],
        effective: Effective = same_edits,
    ) -> None:
        self.spec = spec
        self._effective = effective
        self.state = journal.state
        self._journal = journal
        share = spec.trials_per_method
        self.streams = {m: Stream(spec, m, share, start.get(m, ())) for m in methods(spec)}
        self._baseline = baseline_plan(spec)
        self._confirm: list[Planned] = []
        self._baseline_reruns = baseline_reruns(spec)
        self._planned: set[tuple[str, str, int]] = set()
        self._keys: dict[str, str] = {}
        self._budget = BudgetGuard(spec, confirm_runs(spec))
        self._meter = Meter()
        self._any_completed = False
        self._workers = 1

    def apply(self, event: Event, trial: Trial | None) -> None:
        """Take in an event that has been folded into the state already."""
        if isinstance(event, ConfirmationPlanned):
            self._confirm = confirm_plan(self.state, self.spec)
        if trial is None:
            return
        self._meter.apply(trial)
        match event:
            case Suggested():
                self._planned.add(trial.identity)
                self._keys.setdefault(self._key(trial.edits, trial.seed), trial.id)
            case Started():
                self._workers = max(self._workers, len(self.state.running))
            case Ended():
                self._ended(trial)
        stream = self.streams.get(trial.method)
        if trial.stage == "search" and stream is not None:
            stream.apply(event, trial)

    @property
    def spent(self) -> Cost:
        """What the search has cost so far."""
        return self._meter.spent

    def _ended(self, trial: Trial) -> None:
        if trial.status is Status.FAILED and trial.cause is Cause.LOST:
            # Nothing is known about these values: they may be tried again.
            self._keys.pop(self._key(trial.edits, trial.seed), None)
        if trial.status is Status.COMPLETED and trial.stage == "search":
            self._any_completed = True
        if trial.status.final and trial.identity in self._baseline_reruns:
            # It has been paid for: no budget need be kept for it any more.
            self._budget.confirm_runs -= 1

    def next(self) -> Assignment | Signal:
        """Return work, WAIT, or FINISHED (the search has been closed)."""
        if self.state.closed is not None:
            return FINISHED
        limit = self.spec.resources.concurrent
        if limit is not None and len(self.state.running) >= limit:
            return WAIT
        halted = halt_reason(self.state.session_ends)
        work = None if halted else self._work()
        if work is not None:
            return self._journal.start(work)
        if self.state.running:
            return WAIT
        return self._close(halted)

    def decide(self, trial: Trial, epoch: float, metrics: dict[str, float]) -> Decision:
        """Answer a report that is about to be recorded: what the scheduler makes of it."""
        stream = self.streams.get(trial.method)
        if trial.stage != "search" or stream is None:
            return CONTINUE
        return stream.decide(trial, epoch, metrics)

    def hold(self, trial: Trial, epoch: float, seconds: float) -> Suspend | None:
        """Return why a trial that is about to report, and would go on, may not."""
        halted = halt_reason(self.state.session_ends)
        if halted is not None:
            return Suspend(halted, Cause.HALTED)
        if self._budget.unlimited:
            return None
        now = Cost(epochs=(epoch - trial.epoch_here) * trial.fraction, seconds=seconds)
        now.add(self._meter.spent)
        # What the others are at, and this trial's next interval.
        share = trial.stage == "search" and not self._is_first_result(running=1)
        reason = self._spent(share, now, self._in_flight())
        return None if reason is None else Suspend(reason, Cause.BUDGET)

    def _work(self) -> Trial | None:
        spent: dict[str, bool] = {}
        for _, name in self.state.waiting:
            stage = self.state.trials[name].stage
            if stage not in spent:
                spent[stage] = self._spent_by_one_more(stage) is not None
            if not spent[stage]:
                return self.state.trials[name]
        baseline = self._missing(self._baseline)
        if baseline and self._spent_by_one_more("baseline") is None:
            trial = self._suggest_first(baseline)
            if trial is not None:
                return trial
        if self._spent_by_one_more("search") is None:
            trial = self._search_work()
            if trial is not None:
                return trial
        if self.state.running and not self._confirming():
            return None
        return self._confirm_work()

    def _search_work(self) -> Trial | None:
        while True:
            trial = self._continued() or self._new_trial()
            if trial is not None:
                return trial
            if self.state.running or not self._close_paused():
                return None

    def _continued(self) -> Trial | None:
        idle = not self.state.running
        for stream in self.streams.values():
            found = stream.scheduler.next_continuation(more=stream.open, idle=idle)
            if found is not None:
                trial = self.state.trials[found.trial]
                self._prepare(stream, trial, found)
                return trial
        return None

    def _prepare(self, stream: Stream, trial: Trial, found: Continuation) -> None:
        """Record what changes when a paused trial goes on."""
        if found.fraction is not None:
            self._journal.change(trial, trial.origin, fraction=found.fraction)
        if found.donor is None:
            return
        donor = self.state.trials[found.donor]
        point = donor.report_at(found.epoch)
        if point is None or point.checkpoint is None:
            return
        rng = rng_for(self.spec.seed, "perturb", trial.number, len(trial.reports))
        params = perturb(stream.space, donor.params, rng)
        self._journal.change(
            trial,
            f"exploit {donor.id} at epoch {point.epoch:g}",
            params=params,
            edits={**params, **method_edits(stream.method)},
            restart=point,
        )

    def _new_trial(self) -> Trial | None:
        """Return the next trial of the stream with the fewest trials, then epochs."""
        while True:
            ready = [stream for stream in self.streams.values() if stream.open]
            if not ready:
                return None
            stream = min(ready, key=lambda stream: (stream.count, stream.epochs))
            trial = self._propose(stream)
            if trial is not None:
                return trial

    def _propose(self, stream: Stream) -> Trial | None:
        seed, extra = self.spec.seed, method_edits(stream.method)
        proposal = stream.propose(lambda p: self._key({**p, **extra}, seed) in self._keys)
        if proposal is None:
            return None
        planned = Planned(
            stage="search",
            label=stream.method if len(self.spec.method) > 1 else "",
            params=proposal.params,
            edits={**proposal.params, **extra},
            seed=seed,
            origin=proposal.origin,
            method=stream.method,
            of=proposal.of,
        )
        return self._suggest(planned, stream.scheduler.first_fraction)

    def _key(self, edits: Params, seed: int) -> str:
        return config_key(self._effective(edits), seed)

    def _suggest_first(self, plan: list[Planned]) -> Trial | None:
        return next((t for planned in plan if (t := self._suggest(planned)) is not None), None)

    def _suggest(self, planned: Planned, fraction: float = 1.0) -> Trial | None:
        """Record a new trial; None if an earlier one with the same values and seed answers it."""
        twin = self._keys.get(self._key(planned.edits, planned.seed))
        trial = self._journal.suggest(planned, self.spec.epochs, fraction)
        if twin is None:
            return trial
        same = config_key(self.state.trials[twin].edits, 0) == config_key(planned.edits, 0)
        what = "values" if same else "effective values"
        reason = f"the same {what} and seed as {twin}"
        self._journal.end(trial, Status.DUPLICATE, reason, of=twin)
        return None

    def _close_paused(self) -> bool:
        """End the paused trials that nobody will continue; whether there were any."""
        closings = [c for stream in self.streams.values() for c in stream.scheduler.closings()]
        for closing in closings:
            self._journal.end(self.state.trials[closing.trial], Status.STOPPED, closing.reason)
        return bool(closings)

    def _confirming(self) -> bool:
        return any(self.state.trials[name].stage == "confirm" for name in self.state.running)

    def _confirm_work(self) -> Trial | None:
        if self.spec.confirm is None:
            return None
        if not self._confirming():
            seeds = seeds_wanted(self.state, self.spec)
            planned = confirm_stage(self.state, self.spec, seeds)
            known = self.state.confirmation
            if known is None or planned != replace(known, time=planned.time):
                self._journal.record(planned)
        if not self._has_candidates() or not self._affords_a_rerun():
            return None
        return self._suggest_first(self._missing(self._confirm))

    def _has_candidates(self) -> bool:
        planned = self.state.confirmation
        return planned is not None and bool(planned.candidates)

    def _affords_a_rerun(self) -> bool:
        """Whether the budget covers one more full training besides those that run."""
        running = [self.state.trials[name] for name in self.state.running]
        committed = sum(trial.epochs - trial.epoch for trial in running)
        return self._budget.room(*self._spending()) >= committed + self.spec.epochs - 1e-6

    def _missing(self, plan: list[Planned]) -> list[Planned]:
        return [planned for planned in plan if planned.identity not in self._planned]

    def _spent(self, share: bool, spent: Cost, ahead: float) -> str | None:
        _, wall, workers = self._spending()
        return self._budget.spent_reason(share, spent, wall, workers, ahead)

    def _is_first_result(self, running: int) -> bool:
        """Whether a search trial, alone, may use the confirmation's share: so far it has no use."""
        alone = len(self.state.running) <= running and not self._missing(self._baseline)
        return alone and not self._any_completed

    def _spent_by_one_more(self, stage: str) -> str | None:
        """Return why no further trial of the stage may start."""
        if self._budget.unlimited:
            return None
        interval = self._meter.interval(self.spec)
        share = stage == "search" and not self._is_first_result(running=0)
        return self._spent(share, self._meter.spent, self._in_flight() + interval)

    def _in_flight(self) -> float:
        """Return the epochs of the intervals that are being trained now."""
        interval = self._meter.interval(self.spec)
        return sum(self.state.trials[name].fraction * interval for name in self.state.running)

    def _spending(self) -> tuple[Cost, float, int]:
        wall = self.state.wall_seconds(self._journal.ledger.clock())
        return self._meter.spent, wall, self._workers

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
        if not ended or any(stream.open for stream in self.streams.values()):
            return self._spent_by_one_more("search")
        if self._has_candidates() and self._missing(self._confirm):
            # A rerun begins only if all of it fits.
            return self._spent(False, self._meter.spent, ahead=self.spec.epochs)
        return None

    def _exhausted(self) -> str | None:
        for stream in self.streams.values():
            if stream.exhausted:
                name = f" of {stream.method}" if stream.method else ""
                tried = counted(stream.count, "trial")
                return f"every point of the space{name} has been tried ({tried})"
        return None
