"""Which checkpoints must be kept, so that the driver can delete the others.

Kept are: what a trial that is not over needs to go on, and the checkpoint before it, which serves
if that one is damaged; with the donors that population-based
training may still copy; and the last checkpoint of those ended trials of full length that `keep` in
the search file names: baselines, confirmation runs, the best search trials, always with the
confirmed candidates. Such a checkpoint has weights only: nothing is trained from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tid_tune.ledger.events import Ended, Event, Reported
from tid_tune.ledger.records import Status, Trial
from tid_tune.search.engine import Search
from tid_tune.search.schedulers import scheduler_class

PLACES = 2
"""From so many places can a trial go on that is not over: from the later one, unless it is damaged.
"""


class Retention:
    """Follows a search and finds the checkpoints that it will never need again.

    Create it before the search goes on; checkpoints from before a resume are returned again.

    Args:
        search: the search to follow.
    """

    def __init__(self, search: Search) -> None:
        confirm = search.spec.confirm
        self._search = search
        self._keep = search.spec.keep
        self._best = max(self._keep.best, confirm.top if confirm else 0)
        self._objective = search.spec.first_objective
        self._sign = search.spec.sign
        self._population = scheduler_class(search.spec.scheduler.type).copies_trials
        self._held: dict[str, dict[str, float]] = {}
        """Checkpoints not yet released and their epochs, by trial."""
        self._top: dict[str, list[tuple[float, int, str]]] = {}
        self._touched: dict[str, None] = {}
        for trial in search.state.trials.values():
            for report in trial.reports:
                self._hold(trial, report.checkpoint, report.epoch)
            self._rank(trial)
        search.follow(self._apply)

    def drain(self) -> list[str]:
        """Return the checkpoints that may be deleted now; each is returned once."""
        floor = self._floor()
        released = []
        touched = self._held if self._population else self._touched
        for name in list(touched):
            held = self._held.get(name, {})
            needed = self._needed(self._search.state.trials[name], held, floor)
            released += [checkpoint for checkpoint in held if checkpoint not in needed]
            self._held[name] = {c: epoch for c, epoch in held.items() if c in needed}
            if not self._held[name]:
                del self._held[name]
        self._touched.clear()
        return released

    def give_up(self) -> str | None:
        """Release the least valuable checkpoint of the ended trials, for want of room.

        Reruns go first, then baselines, then search trials, the worst first. The best trial of each
        method and the candidates of `confirm` stay; so does all that trials need to go on.

        Returns:
            The checkpoint, which may be deleted; None: all are needed.
        """
        trials = [self._search.state.trials[name] for name in self._held]
        spare = [trial for trial in trials if trial.status.final and not self._is_needed(trial)]
        if not spare:
            return None
        least = min(spare, key=self._worth)
        checkpoint = next(iter(self._held[least.id]))
        del self._held[least.id][checkpoint]
        if not self._held[least.id]:
            del self._held[least.id]
        return checkpoint

    def _is_needed(self, trial: Trial) -> bool:
        """Return whether a result needs an ended trial, or the population may copy it."""
        confirmation = self._search.state.confirmation
        best = self._top.get(trial.method, [])[:1]
        chosen = confirmation is not None and trial.id in confirmation.candidates
        return self._population or chosen or trial.id in (name for _, _, name in best)

    def _worth(self, trial: Trial) -> tuple[int, float]:
        """Return a key that is smaller for trials that are given up earlier."""
        value = trial.value(self._objective)
        stages = {"search": 2, "baseline": 1}
        return stages.get(trial.stage, 0), 0.0 if value is None else self._sign * value

    def kept(self) -> set[str]:
        """Return the checkpoints that are still held."""
        return {checkpoint for held in self._held.values() for checkpoint in held}

    def _apply(self, event: Event, trial: Trial | None) -> None:
        if trial is None:
            return
        match event:
            case Reported():
                self._hold(trial, event.checkpoint, event.epoch)
            case Ended():
                self._rank(trial)
                self._touched[trial.id] = None

    def _hold(self, trial: Trial, checkpoint: str | None, epoch: float) -> None:
        if checkpoint is not None:
            self._held.setdefault(trial.id, {})[checkpoint] = epoch
            self._touched[trial.id] = None

    def _rank(self, trial: Trial) -> None:
        """Take in a completed search trial; those that drop out of the best are checked again."""
        value = trial.value(self._objective)
        if trial.stage != "search" or trial.status is not Status.COMPLETED or value is None:
            return
        top = self._top.setdefault(trial.method, [])
        top.append((-self._sign * value, trial.number, trial.id))
        top.sort()
        for _, _, name in top[self._best :]:
            self._touched[name] = None
        del top[self._best :]

    def _needed(self, trial: Trial, held: Iterable[str], floor: float) -> set[str]:
        needed = {c for c in held if self._population and self._held[trial.id][c] >= floor}
        reported = (r.checkpoint for r in reversed(trial.reports) if r.checkpoint)
        last = next((c for c in reported if c not in trial.damaged), None)
        if not trial.status.final:
            places = itertools.islice(trial.resume_points(), PLACES)
            resumed = [place.checkpoint for place in places]
            return needed | {c for c in (*resumed, last) if c is not None}
        return needed | {last} if last is not None and self._is_kept(trial) else needed

    def _is_kept(self, trial: Trial) -> bool:
        if trial.status is not Status.COMPLETED:
            return False
        if trial.stage != "search":
            return self._keep.baselines if trial.stage == "baseline" else self._keep.reruns
        confirmation = self._search.state.confirmation
        candidates = () if confirmation is None else confirmation.candidates
        best = (name for _, _, name in self._top.get(trial.method, []))
        return trial.id in candidates or trial.id in best

    def _floor(self) -> float:
        """Return the epoch behind which no trial of the population is left."""
        trials = self._search.state.trials.values() if self._population else ()
        return min((t.epoch for t in trials if not t.status.final), default=float("inf"))
