"""The folder of one search: where its files are, what state it is in, which trials it has."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from pathlib import Path

from tid_tune.errors import UsageError, nearest
from tid_tune.ledger.file import LEDGER_NAME
from tid_tune.ledger.lock import Holder
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.moved import moved_file
from tid_tune.results.ranking import Row, leaderboard, winning_trial
from tid_tune.results.table import TrialRow, trial_rows
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.files import RunFiles
from tid_tune.storage.places import (
    Place,
    Uri,
    child,
    name_of,
    parent,
    pasted,
    place_of,
    shown,
)
from tid_tune.storage.stored import driver_files, folders_in, read_files

BEST = "best"
"""Names the winning trial where a trial is asked for, and its folder."""
TRIALS = "trials"
"""Of the folder of the trials' folders."""


_LOOKED_INTO = 5
"""Folders in what is named as a run: each costs a request of a store."""


class RunFolder:
    """A run folder: `runs/NAME`, or `s3://bucket/runs/NAME`.

    `state` and `spec` are read from the ledger when they are first asked for; make a new RunFolder
    to read again. Of a folder in a store, `path` is a copy on this machine: it has the ledger, and
    what `files` has fetched.

    Args:
        place: the folder, as a path or a URI; it need not exist yet.
        files: of the folder; None: for reading.
    """

    def __init__(self, place: Place, files: RunFiles | None = None) -> None:
        self.files = files or read_files(place_of(place))
        self.place = self.files.place
        self.path = self.files.local
        self.ledger = self.path / LEDGER_NAME
        self.trials = self.path / TRIALS
        """One folder a trial, with its checkpoints."""
        self.best = self.path / BEST
        """The winner's student: `config.py`, `checkpoint.pth`, `README.md`, `values.yaml`."""
        self.leaderboard_text = self.path / "leaderboard.txt"
        self.confirmation_text = self.path / "confirmation.txt"
        self.report = self.path / "report.html"
        self.pictures = self.path / "report"
        """The charts of the report, as pictures."""
        self.ray = self.path / "ray"
        """Tune's own files while a search runs."""

    @classmethod
    def driven(cls, place: Place) -> RunFolder:
        """Return a run folder for the driver of its search; its `path` lasts."""
        return cls(place, driver_files(place_of(place)))

    @classmethod
    def open(cls, place: Place) -> RunFolder:
        """Return the run folder at `place`, which may be running.

        Raises:
            UsageError: there is no ledger in it; the message names the nearest run folder.
        """
        folder = cls(place)
        if not folder.exists:
            folder.files.require_reachable()
            raise UsageError(f"{place} is no run folder: it has no {LEDGER_NAME}{folder._hint()}")
        return folder

    def read(self) -> RunFolder:
        """Return the folder as it is now: what is run in it later does not change its `state`."""
        read = RunFolder(self.place)
        _ = read.state
        return read

    @classmethod
    def all_in(cls, runs: Place) -> list[RunFolder]:
        """Return the run folders below `runs`, by name."""
        found = map(cls, folders_in(place_of(runs)))
        return [folder for folder in found if folder.exists]

    def __repr__(self) -> str:
        return f"RunFolder({str(self.place)!r})"

    @property
    def exists(self) -> bool:
        """Whether there is a ledger."""
        return self.files.has_ledger()

    @property
    def name(self) -> str:
        """The folder's name, which is the search's unless it was renamed."""
        return name_of(self.place)

    def shown(self, name: str = "") -> str:
        """Return the folder, or a file in it, as a user types it."""
        return shown(child(self.place, name) if name else self.place)

    def pasted(self) -> str:
        """Return the folder as a word of a shell command."""
        return pasted(self.place)

    @cached_property
    def state(self) -> RunState:
        """The search as recorded. Trials that a killed driver left running are interrupted."""
        state = RunState.read(self.ledger)
        if self.holder() is None:
            state.interrupt_running()
        return state

    @cached_property
    def spec(self) -> SearchSpec:
        """The spec that the search was last run with.

        Its config is looked for beside the run folder where a copied or moved project has it.

        Raises:
            UsageError: the search ended before it began, or this version cannot read its spec.
        """
        if not self.state.sessions:
            raise UsageError(
                f"{self.place} has no complete event: the search ended before it began. Run it "
                "again, or delete the folder"
            )
        spec = SearchSpec.recorded(self.state.spec)
        trial = moved_file(spec.trial, self.path, self.state.config_hash)
        return spec if trial == spec.trial else spec.model_copy(update={"trial": trial})

    def holder(self) -> Holder | None:
        """Return the driver that runs the search now, or None."""
        return self.files.holder()

    def standing(self) -> str:
        """Return `running (...)`, `finished: REASON`, `failed: REASON` or `interrupted`."""
        holder = self.holder()
        return ended_standing(self.state) if holder is None else f"running ({holder})"

    def trial(self, name: str = BEST) -> Trial:
        """Return the trial called `name` (as t0007), or the winning one for `best`.

        Raises:
            UsageError: there is none; the message names the trials there are.
        """
        found = self.winner if name == BEST else self.state.trials.get(name)
        if found is None:
            known = list(self.state.trials)
            shown = ", ".join(known if len(known) < 8 else [*known[:3], "...", known[-1]])
            what = "no trial of full length yet" if name == BEST else f"no trial {name}"
            raise UsageError(f"{self.place} has {what}; its trials: {shown or 'none'}")
        return found

    @property
    def winner(self) -> Trial | None:
        """The search trial that was confirmed as the best; before that, the best one so far."""
        return winning_trial(self.state, self.spec)

    def checkpoint(self, trial: Trial) -> Path | None:
        """Return the file of the trial's last checkpoint, or None where it is not kept."""
        last = trial.last
        if last is None or last.checkpoint is None:
            return None
        there = self.files.fetch(last.checkpoint, last.digest)
        return self.path / last.checkpoint if there else None

    def leaderboard(self) -> list[Row]:
        """Return baseline and search trials, best first; see `results.ranking.leaderboard`."""
        return leaderboard(self.state, self.spec)

    def rows(self) -> list[TrialRow]:
        """Return one dictionary a trial, for `pandas.DataFrame(run.rows())`."""
        return trial_rows(self.state, self.spec)

    def move_aside(self) -> Place | None:
        """Rename the folder to NAME.1, NAME.2, ... and return its new place; None if there is none.

        Raises:
            UsageError: a driver is running the search.
        """
        if not self.files.sizes():
            return None
        taken, number = self.files.siblings(), 1
        while (aside := f"{self.name}.{number}") in taken:
            number += 1
        self.files.rename(aside)
        return child(parent(self.place), aside)

    def _hint(self) -> str:
        for inside in map(RunFolder, islice(folders_in(self.place), _LOOKED_INTO)):
            if inside.exists:
                return f"; it holds run folders: name one of them, such as {inside.shown()}"
        if isinstance(self.place, Path):
            other = RunFolder(Path("runs") / self.place)
            if other.exists:
                return f"; did you mean {other.path}?"
        elif not Uri.parse(self.place).parent.path:  # a bucket
            return ""
        above = parent(self.place)
        beside = (name_of(place) for place in folders_in(above) if place != self.place)
        near = nearest(self.name, beside)
        if near is not None:
            return f"; did you mean {child(above, near)}?"
        where = "" if isinstance(above, Path) else f" --runs {pasted(above)}"
        return f"; `tid-tune list{where}` shows the runs"


def run_and_trial(text: str) -> tuple[str, str]:
    """Return the run and the trial of `RUN:TRIAL`, or the run and nothing.

    The colon of `s3://` divides nothing.
    """
    place, colon, trial = text.rpartition(":")
    return (place, trial) if colon and "/" not in trial else (text, "")


def ended_standing(state: RunState) -> str:
    """Return `finished: REASON`, `failed: REASON` or `interrupted`: no driver runs the search."""
    if state.closed is None:
        return "interrupted"
    found = state.result is not None and state.result.winner is not None
    return f"finished: {state.closed}" if found else f"failed: no result; {state.closed}"
