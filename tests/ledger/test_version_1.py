"""Ledgers that were recorded before the events had classes are read, resumed and reproduced."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.search_cases import learning_curve

from tid_tune.errors import UsageError
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Changed, Ended, Event, Opened, Placed, parse, to_line
from tid_tune.ledger.file import Ledger, read_events
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.searchfile.model import SearchSpec

RECORDED = sorted((Path(__file__).parents[1] / "fixtures" / "simulated_ledgers").glob("*.jsonl"))
"""Each is a whole search on two simulated workers, with the objective of `curve`."""
REPRODUCED = [path for path in RECORDED if path.stem != "random_hyperband"]
"""Hyperband deals its trials in another order now: see the test of its brackets."""
DIGITS = Path(__file__).parents[1] / "fixtures" / "recorded_ledgers" / "digits_gfl_tid.jsonl"
"""A real search on the digits, one trial at a time, recorded by version 0.1.0 before the change."""
VERSION_1 = {"open", "suggest", "start", "place", "proof", "report", "end", "stage", "close"}


def curve(assignment: Assignment, epoch: float) -> dict[str, float]:
    """The learning curve of the test searches; one trial loses its node, one diverges."""
    if assignment.trial == "t0005" and epoch >= 2 and assignment.segment == 0:
        raise Failure("lost", "node gone")
    if assignment.trial == "t0004" and epoch >= 2:
        raise Failure("nan", "loss is nan")
    if assignment.fraction < 1:
        # In version 1 the fraction was one of the edits, from which the curve draws its noise.
        edits = {**assignment.edits, "train_fraction": assignment.fraction}
        assignment = dataclasses.replace(assignment, edits=edits)
    return learning_curve(assignment, epoch)


def spec_of(ledger: Path) -> SearchSpec:
    first = next(read_events(ledger))
    assert isinstance(first, Opened)
    return SearchSpec.recorded(first.spec)


def comparable(events: list[Event]) -> list[dict[str, Any]]:
    """The events without what differs between two runs of the same search.

    The simulator of version 1 did not place its trials, and recorded no epoch of the checkpoint
    that a changed trial goes on from. `text` has the verdict's intervals, which are computed in
    another way since.
    """
    own = {"run_id", "config_hash", "version", "spec", "text"}
    fields = [
        dataclasses.asdict(dataclasses.replace(event, epoch=None))
        if isinstance(event, Changed)
        else dataclasses.asdict(event)
        for event in events
        if not isinstance(event, Placed)
    ]
    return [{key: value for key, value in one.items() if key not in own} for one in fields]


def test_the_fixtures_are_of_version_1_and_have_every_kind_of_event() -> None:
    names = {
        json.loads(line)["event"] for path in RECORDED for line in path.read_text().splitlines()
    }
    assert len(RECORDED) >= 9
    assert names <= VERSION_1
    assert names >= {"open", "suggest", "start", "report", "end", "stage", "close"}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_every_event_survives_being_written_in_this_version(path: Path) -> None:
    events = list(read_events(path))
    assert len(events) == len(path.read_bytes().splitlines())
    assert [parse(to_line(event)) for event in events] == events


@pytest.mark.parametrize("path", REPRODUCED, ids=lambda path: path.stem)
def test_the_same_search_today_records_the_same_events(path: Path) -> None:
    ledger = Ledger.in_memory(clock=VirtualClock())
    simulate(spec_of(path), curve, ledger=ledger, workers=2)
    assert comparable(list(ledger.events())) == comparable(list(read_events(path)))


@pytest.mark.parametrize("share", [0.15, 0.4, 0.7, 0.95])
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_ledger_cut_anywhere_is_resumed_without_repeating_or_losing_a_report(
    path: Path, share: float, tmp_path: Path
) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "ledger.jsonl"
    cut.write_bytes(b"".join(lines[: max(1, round(share * len(lines)))]))
    before = RunState.read(cut)
    kept = {name: list(trial.reports) for name, trial in before.trials.items()}
    with Ledger.open(cut, sync=False, clock=VirtualClock()) as ledger:
        search = simulate(spec_of(path), curve, ledger=ledger, workers=2)
    assert search.state.closed is not None
    for name, reports in kept.items():
        trial = search.state.trials[name]
        assert trial.reports[: len(reports)] == reports
        steps = [(report.fraction, report.step) for report in trial.reports]
        assert len(set(steps)) == len(steps)
    assert RunState.read(cut).trials.keys() == search.state.trials.keys()


def test_a_finished_ledger_stays_as_it_is_and_can_be_extended(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    shutil.copy(next(path for path in RECORDED if path.stem == "tpe_asha"), path)
    spec = spec_of(path)
    with Ledger.open(path, clock=VirtualClock()) as ledger:
        search = simulate(spec, curve, ledger=ledger)
    before = [t.id for t in search.state.trials.values() if t.stage == "search"]
    assert len(before) == spec.trials
    longer = spec.model_copy(update={"trials": spec.trials + 3})
    with Ledger.open(path, clock=VirtualClock()) as ledger:
        search = simulate(longer, curve, ledger=ledger)
    trials = [t for t in search.state.trials.values() if t.stage == "search"]
    assert [t.id for t in trials if t.status is not Status.DUPLICATE][: len(before)] == before
    assert len(trials) >= spec.trials + 3


def test_a_real_search_is_read_with_its_ranking_and_resumes_at_the_last_checkpoint(
    tmp_path: Path,
) -> None:
    run = RunFolder(tmp_path)
    lines = DIGITS.read_bytes().splitlines(keepends=True)
    run.ledger.write_bytes(b"".join(lines))
    assert run.standing() == "finished: all trials are done"
    rows = [
        (row.trial, round(row.values[row_objective], 3))
        for row in run.leaderboard()[:3]
        for row_objective in row.values
    ]
    assert rows == [("t0006", 0.556), ("t0008", 0.536), ("t0002", 0.49)]
    # Killed while t0008 was being trained: its second epoch was the last one recorded.
    run.ledger.write_bytes(b"".join(lines[:80]))
    spec = RunFolder(tmp_path).spec
    with Ledger.open(run.ledger) as ledger:
        search = Search.open(spec, ledger)
        work = search.next()
    assert isinstance(work, Assignment)
    trial = search.state.trials["t0008"]
    assert (work.trial, work.segment) == (trial.id, 1)
    assert trial.last is not None
    assert (work.checkpoint, work.step) == (trial.last.checkpoint, trial.last.step)
    assert not any("->" in note for note in search.notes), "no option counts as changed"


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    opened = Opened(spec={}, version=99, run_id="x", config_hash=None)
    path.write_bytes(to_line(opened) + b"\n")
    with pytest.raises(UsageError, match="version 99"):
        RunState.read(path)


def test_a_kind_of_failure_that_a_trainable_made_up_counts_as_a_crash() -> None:
    line = (
        b'{"event":"end","time":5.0,"trial":"t0001","outcome":"failed","reason":"late",'
        b'"kind":"timeout","epoch":1.0}'
    )
    event = parse(line)
    assert isinstance(event, Ended)
    assert (event.status, event.cause, event.reason) == (Status.FAILED, Cause.CRASH, "late")
