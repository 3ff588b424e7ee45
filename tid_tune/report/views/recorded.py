"""What a trial has recorded of its areas; without torch."""

from __future__ import annotations

from tid_tune.ledger.records import Trial
from tid_tune.results.ranking import baseline_called
from tid_tune.results.run_folder import BEST, TRIALS, RunFolder
from tid_tune.storage.places import Place
from tid_tune.trial.area_file import AreaRecord, read_record
from tid_tune.trial.report import AREAS_FILE


def record_of_trial(run: RunFolder, trial: Trial) -> AreaRecord | None:
    """Return the record in the trial's folder; None: it has none."""
    name = f"{TRIALS}/{trial.id}/{AREAS_FILE}"
    return read_record(run.path / name) if run.files.fetch(name) else None


def recorded_areas(place: Place, trial: str) -> AreaRecord | None:
    """Return the record of a trial of a run, by its name; None: it has none, or is not known.

    Raises:
        UsageError: there is no such run.
    """
    run = RunFolder.open(place)
    state = run.state
    named = state.trials.get(trial) or baseline_called(state, trial)
    found = run.winner if trial == BEST else named
    return None if found is None else record_of_trial(run, found)
