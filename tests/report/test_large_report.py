"""The report of a search of 10,000 trials: it stays small, and says what it leaves out."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from support.report_page import ReportPage
from support.search_cases import OBJECTIVE, make_spec, scheduler_of

from tid_tune.ledger.decisions import CONTINUE, Stop
from tid_tune.ledger.events import Closed, Ended, Event, Opened, Reported, Started, Suggested
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import ALL_DONE, RunState
from tid_tune.report.page.assemble import page
from tid_tune.report.page.sections import SECTIONS
from tid_tune.report.page.study import MOST_POINTS, Study
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.model import SearchSpec

TRIALS = 10_000
MEGABYTE = 1_000_000
MODELLED = ("importance", "values", "interactions", "ablation", "learned", "rungs")
"""Sections of tid_tune.insight, which tests measure by themselves."""


def events(spec: SearchSpec) -> Iterator[Event]:
    """A third of the trials comes to each rung, and a third of those to the end."""
    rng, time = random.Random(0), 1.796e9
    yield Opened(time=time, spec=spec.model_dump(mode="json"), version=2, run_id="", config_hash="")
    for number in range(TRIALS):
        name, rank, time = f"t{number + 1:05d}", rng.random(), time + 60
        params = {"weight": 0.1 + 9 * rank, "threshold": rng.random(), "select": "threshold"}
        yield Suggested(
            time=time,
            trial=name,
            stage="search",
            label="",
            params=params,
            edits=params,
            seed=0,
            origin="random",
            method="",
            epochs=spec.epochs,
        )
        yield Started(time=time, trial=name, segment=0)
        length = 9 if rank > 8 / 9 else 3 if rank > 2 / 3 else 1
        for epoch in range(1, length + 1):
            last = epoch == length
            yield Reported(
                time=time + epoch,
                trial=name,
                step=epoch,
                epoch=epoch,
                seconds=6.0,
                images=100,
                metrics={OBJECTIVE: rank * epoch / 9},
                checkpoint=None,
                decision=Stop("rung") if last and length < 9 else CONTINUE,
            )
        status = Status.COMPLETED if length == 9 else Status.STOPPED
        yield Ended(time=time + length, trial=name, status=status, epoch=length)
    yield Closed(time=time + 60, reason=ALL_DONE)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    spec = make_spec(trials=TRIALS, scheduler=scheduler_of("asha"))
    run = RunFolder(tmp_path_factory.mktemp("runs") / spec.name)
    return Study.ended(run, spec, RunState.fold(events(spec)))


def test_the_report_of_10000_trials_is_small_and_says_what_it_leaves_out(study: Study) -> None:
    sections = [
        section
        for make in SECTIONS
        if not make.__module__.endswith(MODELLED) and (section := make(study)) is not None
    ]
    text = page(study, sections)
    assert len(text.encode()) < 4 * MEGABYTE
    found = ReportPage(text)
    for panels in found.charts.values():
        for panel in panels:
            for trace in panel["data"]:
                assert len(trace["x"]) <= 5 * MOST_POINTS
    assert f"The first 300 of {TRIALS}" in found.table("Trials of full length").caption
    assert any(f"40 trials of {TRIALS}" in text for text in found.paragraphs)
    best = max(study.rows, key=lambda row: row.values[OBJECTIVE])
    assert best.trial in found.ids
