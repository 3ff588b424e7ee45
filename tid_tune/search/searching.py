"""The trials of the search stage: paused ones that go on, then new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tid_tune.ledger.decisions import CONTINUE, Decision
from tid_tune.ledger.events import Event
from tid_tune.ledger.records import Position, Status, Trial
from tid_tune.search.journal import Journal
from tid_tune.search.packs import START, Place, Wanted, place_of, start_of
from tid_tune.search.samplers.base import rng_for
from tid_tune.search.schedulers import Continuation
from tid_tune.search.schedulers.perturb import perturb
from tid_tune.search.stages.plan import Planned, methods
from tid_tune.search.stream import StartPoint, Stream
from tid_tune.search.suggestions import Suggestions
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params
from tid_tune.space.space import method_edits


@dataclass(frozen=True)
class _Ready:
    """A paused trial that may go on, and with what."""

    trial: Trial
    origin: str
    params: Params
    edits: Params
    fraction: float
    restart: Position | None
    changed: bool

    @property
    def place(self) -> Place | None:
        """Where it goes on; None: it must be trained alone."""
        if self.trial.alone:
            return None
        at = self.restart
        if at is None:
            same = self.fraction == self.trial.fraction
            at = self.trial.resume_point() if same else START
        return place_of(self.edits, self.trial.seed, self.fraction, at)


class Searching:
    """Chooses the next search trial. Fed by `apply`."""

    def __init__(
        self,
        spec: SearchSpec,
        journal: Journal,
        suggestions: Suggestions,
        start: Mapping[str, Sequence[StartPoint]],
    ) -> None:
        self._spec = spec
        self._journal = journal
        self._state = journal.state
        self._suggestions = suggestions
        share = spec.trials_per_method
        self.streams = {m: Stream(spec, m, share, start.get(m, ())) for m in methods(spec)}

    def apply(self, event: Event, trial: Trial) -> None:
        """Take in an event of a trial, after it has been folded into `trial`."""
        stream = self.streams.get(trial.method)
        if trial.stage == "search" and stream is not None:
            stream.apply(event, trial)

    def decide(self, trial: Trial, epoch: float, metrics: dict[str, float]) -> Decision:
        """Answer a report that is about to be recorded: what the scheduler makes of it."""
        stream = self.streams.get(trial.method)
        if trial.stage != "search" or stream is None:
            return CONTINUE
        return stream.decide(trial, epoch, metrics)

    def next(self, wanted: Wanted) -> Trial | None:
        """Return the next trial that is what is looked for."""
        while True:
            open_before = self._open()
            trial = self._continued(wanted) or self._new(wanted)
            if trial is not None:
                return trial
            if self._open() != open_before:
                continue  # No new trial comes any more: who waited for one may go on.
            if self._state.running or not self._close_paused():
                return None

    def _open(self) -> list[bool]:
        return [stream.open for stream in self.streams.values()]

    def _continued(self, wanted: Wanted) -> Trial | None:
        for stream in self.streams.values():
            ready = self._first_ready(stream, wanted)
            if ready is not None:
                if ready.changed:
                    self._journal.change(
                        ready.trial,
                        ready.origin,
                        params=ready.params,
                        edits=ready.edits,
                        fraction=ready.fraction,
                        restart=ready.restart,
                    )
                return ready.trial
        return None

    def _first_ready(self, stream: Stream, wanted: Wanted) -> _Ready | None:
        """Return the first paused trial that may go on, and has a full pack to go on with.

        Where no new trial comes, it goes on with fewer.
        """
        enough = wanted.size if stream.open else 1
        first: dict[Place, _Ready] = {}
        counts = Counter[Place]()
        idle = not self._state.running
        for found in stream.scheduler.continuations(more=stream.open, idle=idle):
            ready = self._ready(stream, found)
            if wanted.place is None and enough == 1:
                return ready
            place = ready.place
            if wanted.place is not None:
                if place == wanted.place:
                    return ready
            elif place is None:
                return ready
            else:
                counts[place] += 1
                first.setdefault(place, ready)
                if counts[place] == enough:
                    return first[place]
        return None

    def _ready(self, stream: Stream, found: Continuation) -> _Ready:
        trial = self._state.trials[found.trial]
        fraction = trial.fraction if found.fraction is None else found.fraction
        changed = found.fraction is not None
        donor = None if found.donor is None else self._state.trials[found.donor]
        point = None if donor is None else donor.report_at(found.epoch)
        if donor is None or point is None or point.checkpoint is None:
            params, edits = trial.params, trial.edits
            return _Ready(trial, trial.origin, params, edits, fraction, None, changed)
        rng = rng_for(self._spec.seed, "perturb", trial.number, len(trial.reports))
        params = perturb(stream.space, donor.params, rng)
        edits = {**params, **method_edits(stream.method)}
        restart = point.position
        origin = f"exploit {donor.id} at epoch {point.epoch:g}"
        return _Ready(trial, origin, params, edits, fraction, restart, changed=True)

    def _new(self, wanted: Wanted) -> Trial | None:
        """Return the next new trial; what does not fit waits, up to a pack of it, for the next."""
        while True:
            stream = self._next_stream()
            if stream is None or not self._may_fit(stream, wanted):
                return None
            trial = self._propose(stream)
            if trial is not None and wanted.fits(start_of(trial) if wanted.place else None):
                return trial

    def _next_stream(self) -> Stream | None:
        """Return the stream with the fewest trials, then epochs."""
        ready = [stream for stream in self.streams.values() if stream.open]
        return min(ready, key=lambda stream: (stream.count, stream.epochs), default=None)

    def _may_fit(self, stream: Stream, wanted: Wanted) -> bool:
        place = wanted.place
        if place is None:
            return True
        start = place_of({}, self._spec.seed, stream.scheduler.first_fraction)
        if start is None or not place.begins_with(start):
            return False
        waiting = (self._state.trials[name].status for _, name in self._state.waiting)
        return sum(status is Status.PENDING for status in waiting) < wanted.size

    def _propose(self, stream: Stream) -> Trial | None:
        seed, extra = self._spec.seed, method_edits(stream.method)
        proposal = stream.propose(lambda p: self._suggestions.taken({**p, **extra}, seed))
        if proposal is None:
            return None
        planned = Planned(
            stage="search",
            label=stream.method if len(self._spec.method) > 1 else "",
            params=proposal.params,
            edits={**proposal.params, **extra},
            seed=seed,
            origin=proposal.origin,
            method=stream.method,
            of=proposal.of,
        )
        return self._suggestions.suggest(planned, stream.scheduler.first_fraction)

    def _close_paused(self) -> bool:
        """End the paused trials that nobody will continue; whether there were any."""
        closings = [c for stream in self.streams.values() for c in stream.scheduler.closings()]
        for closing in closings:
            self._journal.end(self._state.trials[closing.trial], Status.STOPPED, closing.reason)
        return bool(closings)
